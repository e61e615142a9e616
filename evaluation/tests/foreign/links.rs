//! Links, pipes and folders where files are expected.

use loadgen::record::file;

use super::{refused, report, small::Small};

const DERIVED: [&str; 5] = ["report.html", "report.md", "summary.json", "failover.csv", "timeseries.csv"];
const RECORDED: [&str; 7] =
    [file::SCENARIO, file::MANIFEST, file::HISTORY, file::EVENTS, file::NODES, file::STAGES, file::READBACK];

#[test]
fn nothing_is_written_through_a_link() {
    for name in DERIVED {
        let small = Small::new();
        let victim = small.outside().join("victim");
        std::fs::write(&victim, "mine").unwrap();
        small.link(name, &victim);
        assert_eq!(report(&small.path(), &[]).status.code(), Some(3), "{name}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine", "{name}");
        let about = small.file(name).symlink_metadata().unwrap();
        assert!(about.is_file() && about.len() > 10, "{name} was not made");
    }
}

#[test]
fn a_link_to_nowhere_makes_no_file() {
    let small = Small::new();
    let nowhere = small.outside().join("new");
    DERIVED.iter().for_each(|name| small.link(name, &nowhere));
    assert_eq!(report(&small.path(), &[]).status.code(), Some(3));
    assert!(!nowhere.exists());
}

#[test]
fn a_folder_of_figures_that_is_a_link_is_refused() {
    let small = Small::new();
    for name in ["timeline.png", "holiday.png"] {
        std::fs::write(small.outside().join(name), "mine").unwrap();
    }
    small.link("figures", &small.outside());
    let error = refused(&small.path());
    assert!(error.contains("figures") && error.contains("is a link"), "{error}");
    for name in ["timeline.png", "holiday.png"] {
        assert_eq!(std::fs::read_to_string(small.outside().join(name)).unwrap(), "mine");
    }
    assert_eq!(std::fs::read_dir(small.outside()).unwrap().count(), 2);
    assert!(!small.file("report.html").exists(), "half a report was written");
}

#[test]
fn a_figure_that_is_a_link_is_replaced() {
    let small = Small::new();
    let victim = small.outside().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    std::fs::create_dir(small.file("figures")).unwrap();
    for name in ["figures/timeline.png", "figures/timeline.svg", "figures/old.png"] {
        small.link(name, &victim);
    }
    assert_eq!(report(&small.path(), &[]).status.code(), Some(3));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    assert!(small.file("figures/timeline.png").symlink_metadata().unwrap().is_file());
    assert!(small.file("figures/old.png").symlink_metadata().is_err());
}

#[test]
fn a_folder_in_the_place_of_a_derived_file_is_named_and_kept() {
    let small = Small::new();
    std::fs::create_dir(small.file("report.md")).unwrap();
    let error = refused(&small.path());
    assert!(error.contains("report.md"), "{error}");
    let left: Vec<_> =
        std::fs::read_dir(small.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn nothing_is_read_through_a_link() {
    for name in RECORDED {
        let small = Small::new();
        let moved = small.outside().join("moved");
        std::fs::rename(small.file(name), &moved).unwrap();
        small.link(name, &moved);
        let error = refused(&small.path());
        assert!(error.contains(name) && error.contains("is a link"), "{name}: {error}");
    }
}

#[test]
fn what_never_ends_is_not_read() {
    for name in RECORDED {
        let small = Small::new();
        small.link(name, std::path::Path::new("/dev/zero"));
        assert!(refused(&small.path()).contains(name), "{name}");
        std::fs::remove_file(small.file(name)).unwrap();
        let made = std::process::Command::new("mkfifo").arg(small.file(name)).status().unwrap();
        assert!(made.success());
        let error = refused(&small.path());
        assert!(error.contains(name) && error.contains("not a file"), "{name}: {error}");
        std::fs::remove_file(small.file(name)).unwrap();
        std::fs::create_dir(small.file(name)).unwrap();
        let error = refused(&small.path());
        assert!(error.contains(name) && error.contains("not a file"), "{name}: {error}");
    }
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    for name in RECORDED {
        let small = Small::new();
        let file = std::fs::OpenOptions::new().write(true).open(small.file(name)).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = refused(&small.path());
        assert!(
            error.contains(name) && error.contains("1099511627776") && error.contains("limit"),
            "{error}"
        );
    }
}

#[test]
fn a_log_behind_a_linked_folder_is_not_shown() {
    let small = Small::new();
    std::fs::remove_dir_all(small.file("nodes")).unwrap();
    std::fs::create_dir(small.outside().join("n1")).unwrap();
    std::fs::write(small.outside().join("n1/log.txt"), "a secret of somebody else").unwrap();
    small.link("nodes", &small.outside());
    assert_eq!(report(&small.path(), &[]).status.code(), Some(3));
    assert!(!std::fs::read_to_string(small.file("report.html")).unwrap().contains("a secret"));
}

#[test]
fn an_overlay_is_written_through_no_link_either() {
    let small = Small::new();
    let out = small.outside().join("overlay");
    std::fs::create_dir(&out).unwrap();
    let victim = small.outside().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    for name in ["overlay.html", "overlay.md", "overlay.csv"] {
        std::os::unix::fs::symlink(&victim, out.join(name)).unwrap();
    }
    let overlay = || {
        std::process::Command::new(env!("CARGO_BIN_EXE_evaluation"))
            .arg("overlay")
            .args([small.path(), small.path()])
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
    };
    let output = overlay();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    std::fs::remove_dir_all(out.join("figures")).unwrap();
    std::os::unix::fs::symlink(small.outside(), out.join("figures")).unwrap();
    let output = overlay();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a link"));
    assert!(!small.outside().join("overlay-timeline.png").exists());
}
