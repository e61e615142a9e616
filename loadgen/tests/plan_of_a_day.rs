//! The load of a day begins as soon as that of a second: nothing of it is drawn before it is due.

use loadgen::{
    scenario::Scenario,
    workload::{Part, Plan},
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a plan may take until its first operations are due, bytes: its images are drawn beforehand.
const ROOM: usize = 1 << 20;

#[test]
fn the_plan_of_a_day_takes_no_room() {
    for arrival in ["constant", "poisson"] {
        let text = format!(
            "version = 1\nload.arrival = \"{arrival}\"\nload.stages = [{{ for = \"24h\", rate = 500 }}]"
        );
        let load = Scenario::parse(&text, "day.toml").unwrap().load;
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let plan = Plan::draw(&load, 42, Part::WHOLE);
        assert_eq!(plan.load.take(1_000).count(), 1_000);
        let taken = ALLOCATOR.peak_usage() - before;
        assert!(taken < ROOM, "{taken} bytes for {arrival}");
    }
}
