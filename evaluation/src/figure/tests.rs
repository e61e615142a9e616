use loadgen::{
    record::{EventKind, STAGES, StageSample},
    scenario::Target,
};

use super::{
    drawing::{Shape, Text, WIDTH},
    *,
};
use crate::{
    assessment::assess,
    synthetic::{Plan, fault, leader, stage, struck},
};

/// Three faults: one long, one short, one that never heals; the last two close together.
fn many_faults() -> RunDirectory {
    let mut plan = Plan::leader_kill();
    plan.stages.push(stage(15, 1600.0, false));
    plan.faults.extend([fault(44, Target::Random), fault(46, Target::All)]);
    plan.outages.extend([(44.0, 44.9), (46.0, 46.6)]);
    plan.events.extend([
        struck(EventKind::Fault, 1, 3, 44.0),
        leader(44.8, 1, 3),
        struck(EventKind::Heal, 1, 3, 45.0),
        struck(EventKind::Fault, 2, 1, 46.0),
        leader(46.5, 2, 4),
    ]);
    plan.run()
}

fn figures(run: &RunDirectory) -> Vec<Figure> {
    all(run, &assess(run)).unwrap()
}

/// Set to a folder, tests leave their figures there to be looked at.
fn keep(folder: &str, figures: &[Figure]) {
    if let Some(root) = std::env::var_os("VEIL_KEEP_FIGURES") {
        let folder = std::path::Path::new(&root).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for figure in figures {
            std::fs::write(folder.join(format!("{}.png", figure.name)), &figure.png).unwrap();
            std::fs::write(folder.join(format!("{}.svg", figure.name)), &figure.svg).unwrap();
        }
    }
}

fn texts(figure: &Figure) -> Vec<&Text> {
    figure
        .drawing
        .shapes
        .iter()
        .filter_map(|s| match s {
            Shape::Text(text) => Some(text),
            _ => None,
        })
        .collect()
}

/// No text leaves the figure, no two touch, and nothing is painted over one.
fn assert_legible(figures: &[Figure]) {
    for figure in figures {
        for (i, shape) in figure.drawing.shapes.iter().enumerate() {
            let Shape::Text(text) = shape else { continue };
            let (left, right) = text.extent();
            for later in &figure.drawing.shapes[i..] {
                let Shape::Rect([l, t, r, b], ink) = later else { continue };
                let apart = right <= *l || *r <= left || text.y <= *t || *b <= text.y - text.size * 0.5;
                assert!(apart || ink.alpha < 1.0, "{}: {:?} is painted over", figure.name, text.text);
            }
        }
        let boxes: Vec<_> = texts(figure)
            .into_iter()
            .map(|t| {
                let (left, right) = t.extent();
                (t.text.as_str(), left, right, t.y - t.size * 0.76, t.y + t.size * 0.24)
            })
            .collect();
        for (i, &(text, left, right, top, bottom)) in boxes.iter().enumerate() {
            assert!(
                left >= 0.0 && right <= WIDTH && top >= 0.0 && bottom <= figure.drawing.height,
                "{}: {text:?} is cut off: {left} to {right}, {top} to {bottom}",
                figure.name
            );
            for &(other, l, r, t, b) in &boxes[..i] {
                let apart = right <= l || r <= left || bottom <= t || b <= top;
                assert!(apart, "{}: {text:?} lies over {other:?}", figure.name);
            }
        }
    }
}

fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    (reader.info().width, reader.info().height)
}

#[test]
fn every_figure_is_painted_as_png_and_svg() {
    let figures = figures(&Plan::leader_kill().run());
    keep("leader-kill", &figures);
    let names: Vec<_> = figures.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["timeline", "fault-0", "percentiles", "nodes"]);
    for figure in &figures {
        let (width, height) = size_of_png(&figure.png);
        assert_eq!((width, f64::from(height)), (1200, figure.drawing.height.ceil()));
        assert!(figure.png.len() > 10_000, "{} is empty", figure.name);
        assert!(figure.svg.starts_with("<svg width=\"1200\"") && figure.svg.trim_end().ends_with("</svg>"));
        assert!(figure.svg.contains("<text"));
    }
    assert_legible(&figures);
}

#[test]
fn the_timeline_names_the_gap_the_fault_and_the_leaders() {
    let figures = figures(&Plan::leader_kill().run());
    let said: Vec<&str> = texts(&figures[0]).iter().map(|t| t.text.as_str()).collect();
    for expected in ["n2 · term 1", "n3 · term 2", "kill · 8.2 s", "warm-up"] {
        assert!(said.contains(&expected), "{expected} in {said:?}");
    }
    assert!(said.iter().any(|t| t.ends_with("ms unavailable")));
}

#[test]
fn many_faults_stay_legible() {
    let figures = figures(&many_faults());
    keep("many-faults", &figures);
    assert_eq!(figures.iter().filter(|f| f.name.starts_with("fault-")).count(), 3);
    assert_legible(&figures);
}

#[test]
fn of_very_many_faults_the_longest_outages_are_named() {
    let mut plan = Plan::leader_kill();
    plan.faults.clear();
    plan.events.truncate(1);
    plan.outages.clear();
    for index in 0..12 {
        let at = 6.0 + 3.0 * index as f64;
        plan.faults.push(fault(at as u64, Target::Random));
        plan.outages.push((at, at + 0.1 + 0.05 * index as f64));
        plan.events
            .extend([struck(EventKind::Fault, index, 1, at), struck(EventKind::Heal, index, 1, at + 1.5)]);
    }
    let figures = figures(&plan.run());
    keep("very-many-faults", &figures);
    let timeline = figures.iter().find(|figure| figure.name == "timeline").unwrap();
    let named = texts(timeline).iter().filter(|text| text.text.ends_with("ms unavailable")).count();
    assert_eq!(named, 8);
    assert_legible(&figures);
}

#[test]
fn a_hundred_faults_are_a_distribution_and_a_few_are_not() {
    let figures = figures(&Plan::many_kills(100).run());
    keep("hundred-kills", &figures);
    let names: Vec<_> = figures.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names[..2], ["ecdf", "timeline"]);
    assert_eq!(names.iter().filter(|name| name.starts_with("fault-")).count(), CLOSEUPS.len());
    let said: Vec<&str> = texts(&figures[0]).iter().map(|t| t.text.as_str()).collect();
    for mark in ["median ", "p99 ", "worst "] {
        let shown = said.iter().find(|text| text.starts_with(mark)).unwrap();
        assert!(figures[0].caption.contains(shown), "{shown} in {}", figures[0].caption);
    }
    assert!(said.contains(&"unavailable, of 100") && said.contains(&"elect, of 100"), "{said:?}");
    assert_legible(&figures);

    let has_ecdf = |count| {
        let run = Plan::many_kills(count).run();
        all(&run, &assess(&run)).unwrap().iter().any(|figure| figure.name == "ecdf")
    };
    assert_eq!([LEAST_FOR_ECDF - 1, LEAST_FOR_ECDF].map(has_ecdf), [false, true]);
}

#[test]
fn faults_that_did_not_end_hold_their_curve_down() {
    let mut plan = Plan::many_kills(20);
    // From the last on nobody is served, and nobody is elected.
    plan.outages[19].1 = 1e6;
    plan.give_up_one_in = 1;
    let last = plan.events.iter().rposition(|event| event.term.is_some()).unwrap();
    plan.events.remove(last);
    let figures = figures(&plan.run());
    keep("endless", &figures);
    let said: Vec<&str> = texts(&figures[0]).iter().map(|t| t.text.as_str()).collect();
    assert!(said.contains(&"unavailable, of 20; 1 did not end"), "{said:?}");
    assert!(said.contains(&"elect, of 20; 1 did not end"), "{said:?}");
    assert!(figures[0].caption.contains("worst no end"), "{}", figures[0].caption);
    assert!(!said.iter().any(|text| text.starts_with("worst")), "it has no place: {said:?}");
    assert_legible(&figures);
}

/// What three nodes tell of the stages of a write, n2 leading.
fn stages() -> Vec<StageSample> {
    let mut stages = Vec::new();
    for (place, stage) in STAGES.into_iter().enumerate() {
        for node in 1..=3 {
            let leads = node == 2;
            let p50_us = [30, 12, 55, 900, 640, 8, 25, 18][place] * (10 + node) / 10;
            let count = if leads || matches!(stage, "append" | "fsync" | "apply") { 81_234 } else { 0 };
            stages.push(StageSample {
                node,
                stage: stage.into(),
                count,
                p50_us,
                p99_us: p50_us * 9 / 2,
                max_us: p50_us * 31,
            });
        }
    }
    // Told in no order, and one that nobody knows.
    stages.reverse();
    stages.push(StageSample { stage: "ponder".into(), node: 1, ..stages[3].clone() });
    stages
}

#[test]
fn stages_of_a_write_are_bars_in_their_order() {
    let mut run = Plan::leader_kill().run();
    run.stages = stages();
    let figures = figures(&run);
    keep("stages", &figures);
    let figure = figures.last().unwrap();
    assert_eq!(figure.name, "stages");
    assert!(figure.caption.contains("fsync on n3, 1.2 ms"), "{}", figure.caption);
    let said: Vec<&str> = texts(figure).iter().map(|t| t.text.as_str()).collect();
    let places: Vec<_> = STAGES
        .into_iter()
        .chain(["ponder"])
        .map(|stage| said.iter().position(|text| *text == stage))
        .collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{said:?}");
    assert_legible(&figures);
    run.stages.iter_mut().for_each(|sample| sample.count = 0);
    assert!(self::figures(&run).iter().all(|figure| figure.name != "stages"), "no write went through any");
}

#[test]
fn a_run_without_faults_samples_or_answers_has_figures_too() {
    let mut quiet = Plan::leader_kill();
    quiet.events.clear();
    quiet.faults.clear();
    quiet.outages.clear();
    let mut run = quiet.run();
    run.nodes.clear();
    let without_faults = figures(&run);
    keep("no-fault", &without_faults);
    assert_eq!(without_faults.len(), 2);
    assert_legible(&without_faults);
    run.history.operations.clear();
    assert_legible(&figures(&run));
}

/// Lays assessed runs over one another, as `overlay::make` does.
fn overlaid(folder: &str, runs: &[(String, RunDirectory)]) -> Vec<Figure> {
    let assessments: Vec<Assessment> = runs.iter().map(|(_, run)| assess(run)).collect();
    let traces: Vec<Trace<'_>> = ('A'..)
        .zip(runs.iter().zip(&assessments))
        .map(|(letter, ((label, run), assessment))| Trace { letter, label: label.clone(), run, assessment })
        .collect();
    let figures = overlay("leader-kill: some runs", &traces).unwrap();
    keep(folder, &figures);
    assert_legible(&figures);
    figures
}

#[test]
fn runs_are_laid_over_one_another_each_with_its_name_its_colour_and_its_faults() {
    let mut slower = Plan::leader_kill();
    slower.outages = vec![(15.003, 15.9), (23.2, 23.5)];
    slower.events[2] = leader(15.8, 3, 2);
    let runs =
        [("A  by process".to_owned(), Plan::leader_kill().run()), ("B  by docker".to_owned(), slower.run())];
    let figures = overlaid("overlay-2", &runs);
    let names: Vec<_> = figures.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["overlay-timeline", "overlay-percentiles"]);
    let said: Vec<&str> = texts(&figures[0]).iter().map(|t| t.text.as_str()).collect();
    for expected in [
        "A  by process",
        "B  by docker",
        "kill n2 · 8.2 s · 353 to 354 ms unavailable",
        "kill n2 · 8.2 s · 899 ms unavailable",
    ] {
        assert!(said.contains(&expected), "{expected} in {said:?}");
    }
    let lines = |figure: &Figure, ink| {
        let is_line = |s: &&Shape| matches!(s, Shape::Line(points, _, of) if *of == ink && points.len() > 20);
        figure.drawing.shapes.iter().filter(is_line).count()
    };
    for ink in [palette::run(0), palette::run(1)] {
        assert!(lines(&figures[0], ink) >= 3, "goodput, p99, p50");
        assert_eq!(lines(&figures[1], ink), 1);
    }
}

#[test]
fn distributions_are_laid_over_one_another_where_two_runs_have_one() {
    let runs = |counts: [usize; 3]| {
        ["A  first", "B  second", "C  third"]
            .map(str::to_owned)
            .into_iter()
            .zip(counts)
            .map(|(label, count)| (label, Plan::many_kills(count).run()))
    };
    let two: Vec<_> = runs([100, 40, 3]).collect();
    let figures = overlaid("overlay-ecdf", &two);
    let ecdf = figures.iter().find(|figure| figure.name == "overlay-ecdf").unwrap();
    let said: Vec<&str> = texts(ecdf).iter().map(|t| t.text.as_str()).collect();
    for expected in ["A, of 100", "B, of 40"] {
        assert!(said.contains(&expected), "{expected} in {said:?}");
    }
    assert!(said.iter().any(|text| text.starts_with("B worst ")), "{said:?}");
    assert!(!said.iter().any(|text| text.starts_with("C, of")), "three are no distribution: {said:?}");
    let one: Vec<_> = runs([100, 5, 3]).collect();
    assert_eq!(overlaid("overlay-no-ecdf", &one).len(), 2);
}

#[test]
fn as_many_runs_as_there_are_colours_stay_legible_whatever_they_are_like() {
    let mut quiet = Plan::leader_kill();
    (quiet.events, quiet.faults, quiet.outages) = (vec![], vec![], vec![]);
    let mut silent = Plan::leader_kill().run();
    silent.history.operations.clear();
    let runs = [many_faults(), Plan::leader_kill().run(), quiet.run(), silent, many_faults(), many_faults()];
    assert_eq!(runs.len(), MAX_TRACES);
    let named = runs.map(|run| (format!("A  {}", "a-very-long-name-".repeat(20)), run));
    overlaid("overlay-6", &named);
}

#[test]
fn colours_of_runs_differ_and_can_be_read_on_white() {
    let luminance = |ink: drawing::Ink| {
        let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
        0.2126 * linear(ink.rgb.0) + 0.7152 * linear(ink.rgb.1) + 0.0722 * linear(ink.rgb.2)
    };
    for (place, ink) in palette::RUNS.into_iter().enumerate() {
        assert!(1.05 / (luminance(ink) + 0.05) >= 4.5, "{ink:?} is too pale for words");
        assert!(!palette::RUNS[..place].contains(&ink), "{ink:?} occurs twice");
    }
    assert_eq!(trace_colour(0), "#0068a3");
}

#[test]
fn letters_come_from_the_bundled_font() {
    // An M of DejaVu Sans is 0.863 em wide. Another font here means that some crate turned on
    // `plotters/ttf`, which silences `ab_glyph`.
    let width = paint::text_width("M", 100.0, false);
    assert!((width - 86.3).abs() < 0.5, "{width}");
    assert!(paint::text_width("M", 100.0, true) > width + 5.0, "bold letters are wider");
}

#[test]
fn a_close_up_shows_the_stretch_that_it_is_titled_with() {
    let mut at_the_healing = Plan::leader_kill();
    at_the_healing.outages = vec![(23.2, 23.5)];
    let mut at_the_fault = Plan::leader_kill();
    at_the_fault.outages = vec![(15.003, 15.06), (23.2, 23.5)];
    let mut nowhere = Plan::leader_kill();
    nowhere.outages.clear();
    let cases = [
        ("late-gap", at_the_healing, "unavailable, 8.2 s later"),
        ("two-gaps", at_the_fault, "unavailable"),
        ("no-gap", nowhere, "not distinguishable from no fault"),
    ];
    for (name, plan, expected) in cases {
        let run = plan.run();
        let fault = &assess(&run).failovers[0];
        let figures = figures(&run);
        keep(name, &figures);
        let said: Vec<&str> = texts(&figures[1]).iter().map(|t| t.text.as_str()).collect();
        assert!(said[0].ends_with(expected), "{said:?}");
        // The bracket over it is there, if it can be told from no fault, and all of it within the panel.
        let main = fault.main_stretch();
        let bracket = format!("{} unavailable", crate::report::words::unavailable(main));
        assert_eq!(said.contains(&bracket.as_str()), name != "no-gap", "{bracket} in {said:?}");
        let (from, to) = closeup::range(fault);
        assert!(from < main.stretch.from_s && main.stretch.to_s < to, "{name}: {from} {to} {main:?}");
        assert_eq!(said.contains(&"kill n2"), name != "late-gap", "{said:?}");
        assert_legible(&figures);
    }
}
