//! Reads a scenario: the file as a whole, `[cluster]`, `[load]`, `[pass]`.

use std::{collections::BTreeMap, fs::File, io, io::Read as _, path::Path, time::Duration};

use veil::node::ExperimentConfig;

use super::{
    Arrival, Cluster, Driver, HistoryCheck, Images, Implied, Limit, Load, Metric, NodeLimits, OperationKind,
    Origin, Pass, Scenario, ScenarioError, SlowDisk, SplitError, Stage, read_chaos, read_fault,
    source::{Item, Keys, MAX_DURATION, Section, Source},
};

/// A scenario file is a page of text; no larger one is read.
const MAX_FILE: u64 = 1 << 20;
/// Operations a second, in every stage.
const MAX_RATE: f64 = 1e6;
/// Whoever judges a run has all of them in memory.
const MAX_OPERATIONS: f64 = 5e7;

/// A load of so many stages can be written and read; what is due is looked up among them.
const MAX_STAGES: usize = 1000;
/// Each limit looks at the whole load.
const MAX_LIMITS: usize = 1000;

const ROOT: Keys =
    Keys { known: &["version", "seed", "cluster", "load", "fault", "chaos", "pass"], later: &[] };
const CLUSTER: Keys = Keys {
    known: &["nodes", "driver", "tls", "cpus", "memory", "disk", "slow_disk"],
    later: &["coordinator", "policy"],
};
const SLOW_DISK: Keys = Keys { known: &["node", "sync"], later: &[] };
const LOAD: Keys = Keys {
    known: &[
        "clients",
        "generators",
        "from",
        "arrival",
        "max_in_flight",
        "timeout",
        "stages",
        "mix",
        "images",
    ],
    later: &[],
};
const STAGE: Keys = Keys { known: &["for", "rate", "warmup"], later: &[] };
const MIX: Keys = Keys { known: &["register", "seal", "discover", "view", "grant"], later: &["fetch"] };
const PASS: Keys = Keys { known: &["history", "limits", "implied"], later: &[] };

impl Scenario {
    /// Reads the scenario file at `path`. A relative folder of images is one beside that file.
    ///
    /// # Errors
    /// When the file cannot be read, or says something that makes no sense.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let cannot = |source| ScenarioError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(cannot)?;
        (file.take(MAX_FILE + 1).read_to_string(&mut text)).map_err(cannot)?;
        if text.len() as u64 > MAX_FILE {
            let reason = format!("larger than {MAX_FILE} bytes");
            return Err(cannot(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
        }
        let mut scenario = Self::parse(&text, &path.display().to_string())?;
        if let Images::Folder(folder) = &mut scenario.load.images {
            let beside = path.parent().unwrap_or(Path::new("")).join(&*folder);
            let beside = std::path::absolute(beside).map_err(cannot)?;
            // Load generators are told of it in the scenario.
            if beside.to_str().is_none() {
                return Err(ScenarioError::NotText { path: beside });
            }
            *folder = beside;
        }
        Ok(scenario)
    }

    /// Reads a scenario from its `text`; errors call it `file`.
    ///
    /// # Errors
    /// When the text says something that makes no sense.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let source = Source { file, text };
        let table = source.parse()?;
        let root = Section::root(&source, &table, &ROOT)?;
        root.need("version", "version = 1")?.integer_among(&[1], "1")?;
        let seed = root.get("seed").map_or(Ok(1), |item| item.integer(0..=u64::MAX))?;
        let cluster = cluster(&root.section("cluster", &CLUSTER)?)?;
        let load = load(&root.section("load", &LOAD)?)?;
        let faults = read_fault::faults(root.get("fault"), load.length(), &cluster)?;
        let chaos = match root.get("chaos") {
            Some(item) if faults.is_empty() => {
                Some(read_chaos::chaos(&item.section(&read_chaos::CHAOS)?, load.length(), &cluster)?)
            }
            Some(item) => return Err(item.invalid("given with [[fault]]", "one or the other")),
            None => None,
        };
        let faults_known = if chaos.is_some() { None } else { Some(faults.len()) };
        let pass = pass(&root.section("pass", &PASS)?, faults_known)?;
        Ok(Self { seed, cluster, load, faults, chaos, pass })
    }
}

fn cluster(section: &Section) -> Result<Cluster, ScenarioError> {
    let nodes = (section.get("nodes")).map_or(Ok(3), |item| item.integer_among(&[1, 3, 5], "1, 3 or 5"))?;
    let driver = section.get("driver").map_or(Ok(Driver::Process), |item| {
        item.choice(&Driver::ALL.map(|driver| (driver.name(), driver)), &[])
    })?;
    let limits = NodeLimits {
        cpus: section.get("cpus").map(|item| processors(&item)).transpose()?,
        memory_bytes: section.get("memory").map(|item| item.bytes()).transpose()?,
        disk_bytes: section.get("disk").map(|item| item.bytes()).transpose()?,
    };
    let tls = section.get("tls").map_or(Ok(true), |item| item.boolean())?;
    let slow_disk = section.get("slow_disk").map(|item| slow_disk(&item, nodes)).transpose()?;
    Ok(Cluster { nodes, driver, tls, limits, slow_disk })
}

fn slow_disk(item: &Item, nodes: u32) -> Result<SlowDisk, ScenarioError> {
    let section = item.section(&SLOW_DISK)?;
    let node = section.need("node", "the number of a node, such as 2")?.integer_u32(1..=nodes)?;
    let sync = section.need("sync", "how much longer each sync takes, such as \"20ms\"")?;
    match sync.duration_above_zero()? {
        long if long > ExperimentConfig::MAX_SYNC_DELAY => {
            Err(sync
                .invalid(format_args!("{} is too long", humantime::format_duration(long)), "at most \"10s\""))
        }
        delay => Ok(SlowDisk { node, sync: delay }),
    }
}

fn processors(item: &Item) -> Result<f64, ScenarioError> {
    const EXPECTED: &str = "a number of processors above 0 and up to 1024, such as 0.5";
    match item.number(EXPECTED)? {
        cpus if cpus > 0.0 && cpus <= 1024.0 => Ok(cpus),
        cpus => Err(item.invalid(format_args!("{cpus} is not possible"), EXPECTED)),
    }
}

fn load(section: &Section) -> Result<Load, ScenarioError> {
    let arrivals = [Arrival::Poisson, Arrival::Constant].map(|arrival| (arrival.name(), arrival));
    let count = |name, default, most| {
        (section.get(name)).map_or(Ok(default), |item: Item| item.integer_u32(1..=most))
    };
    let load = Load {
        clients: count("clients", 256, 1_000_000)?,
        generators: count("generators", 1, Load::MAX_GENERATORS)?,
        from: (section.get("from")).map_or(Ok(Origin::Outside), |item| {
            item.choice(&Origin::ALL.map(|from| (from.name(), from)), &[])
        })?,
        arrival: (section.get("arrival")).map_or(Ok(Arrival::Poisson), |item| item.choice(&arrivals, &[]))?,
        max_in_flight: count("max_in_flight", 4096, 1_000_000)?,
        timeout: (section.get("timeout"))
            .map_or(Ok(Duration::from_secs(2)), |item| item.duration_above_zero())?,
        stages: stages(section)?,
        mix: mix(section)?,
        images: section.get("images").map_or(Ok(Images::Photos), images)?,
    };
    if let Err(SplitError { generators, expected }) = load.can_be_split(load.generators) {
        return Err(section.invalid("generators", format_args!("{generators} are too many"), expected));
    }
    if load.length() > MAX_DURATION {
        return Err(section.invalid("stages", "together too long", "at most \"24h\""));
    }
    let operations: f64 = load.stages.iter().map(Stage::operations).sum();
    if operations > MAX_OPERATIONS {
        let wrong = format!("together {operations:.0} operations");
        let expected = format!("at most {MAX_OPERATIONS}, as all are held in memory when the run is judged");
        return Err(section.invalid("stages", wrong, expected));
    }
    Ok(load)
}

fn stages(section: &Section) -> Result<Vec<Stage>, ScenarioError> {
    const EXPECTED: &str = "a list of stages such as [{ for = \"40s\", rate = 400 }]";
    let item = section.need("stages", EXPECTED)?;
    let stages: Vec<_> = (item.array(EXPECTED)?.iter().map(stage)).collect::<Result<_, _>>()?;
    if stages.is_empty() {
        return Err(item.invalid("is empty", EXPECTED));
    }
    if stages.len() > MAX_STAGES {
        let wrong = format!("has {} stages", stages.len());
        return Err(item.invalid(wrong, format!("at most {MAX_STAGES}")));
    }
    if stages.iter().all(|stage| stage.warmup) {
        return Err(item.invalid("is all warm-up", "a stage without warmup = true, to be measured"));
    }
    if !stages.iter().any(|stage| !stage.warmup && stage.operations() > 0.0) {
        return Err(item.invalid("is all rest", "a stage without warmup = true and with a rate above 0"));
    }
    Ok(stages)
}

fn stage(item: &Item) -> Result<Stage, ScenarioError> {
    const RATE: &str = "operations a second: a number from 0 to 1000000, or [from, to]";
    let section = item.section(&STAGE)?;
    let length = section.need("for", "how long the stage lasts, such as for = \"40s\"")?;
    let rate = section.need("rate", RATE)?;
    let check = |item: &Item| match item.number(RATE)? {
        // A zero without a sign, which is written as it was read.
        rate if (0.0..=MAX_RATE).contains(&rate) => Ok(rate.abs()),
        rate => Err(item.invalid(format_args!("{rate} is not possible"), RATE)),
    };
    let (rate_from, rate_to) = if rate.is_array() {
        match rate.array(RATE)?.as_slice() {
            [from, to] => (check(from)?, check(to)?),
            other => {
                return Err(rate.invalid(format_args!("is an array of {}", other.len()), RATE));
            }
        }
    } else {
        let rate = check(&rate)?;
        (rate, rate)
    };
    Ok(Stage {
        length: length.duration_above_zero()?,
        rate_from,
        rate_to,
        warmup: section.get("warmup").map_or(Ok(false), |item| item.boolean())?,
    })
}

fn mix(load: &Section) -> Result<BTreeMap<OperationKind, u32>, ScenarioError> {
    let section = load.section("mix", &MIX)?;
    let given = load.get("mix").is_some();
    let mut mix = BTreeMap::new();
    for kind in OperationKind::ALL {
        let default = if given { 0 } else { default_weight(kind) };
        let weight = section.get(kind.name());
        let weight = weight.map_or(Ok(default), |item| item.integer_u32(0..=1_000_000))?;
        mix.insert(kind, weight);
    }
    if mix.values().all(|weight| *weight == 0) {
        return Err(load.invalid("mix", "is all zero", "at least one operation above 0"));
    }
    Ok(mix)
}

fn default_weight(kind: OperationKind) -> u32 {
    match kind {
        OperationKind::View => 60,
        OperationKind::Discover => 20,
        OperationKind::Seal => 10,
        OperationKind::Register | OperationKind::Grant => 5,
    }
}

fn images(item: Item) -> Result<Images, ScenarioError> {
    const EXPECTED: &str = "\"photos\" or a folder of PNG and JPEG files such as \"./my-photos\"";
    match item.string(EXPECTED)? {
        "photos" => Ok(Images::Photos),
        "" => Err(item.invalid("is empty", EXPECTED)),
        folder => Ok(Images::Folder(folder.into())),
    }
}

/// `faults` is how many there are, if that is known already.
fn pass(section: &Section, faults: Option<usize>) -> Result<Pass, ScenarioError> {
    let checks = HistoryCheck::ALL.map(|check| (check.name(), check));
    let mut history = Vec::new();
    match section.get("history") {
        None => history.extend(HistoryCheck::ALL),
        Some(item) => {
            for item in item.array("a list of checks such as [\"no_lost_ack\", \"quota\"]")? {
                let check = item.choice(&checks, &["one_leader_a_term"])?;
                if history.contains(&check) {
                    return Err(item.invalid("is listed twice", "each check once"));
                }
                history.push(check);
            }
        }
    }
    let mut limits = Vec::new();
    if let Some(item) = section.get("limits") {
        const EXPECTED: &str = "a limit such as \"ok_ratio >= 0.99\"";
        let texts = item.array("a list of limits such as [\"ok_ratio >= 0.99\"]")?;
        if texts.len() > MAX_LIMITS {
            let wrong = format!("has {} limits", texts.len());
            return Err(item.invalid(wrong, format!("at most {MAX_LIMITS}")));
        }
        for item in texts {
            let limit = Limit::parse(item.string(EXPECTED)?, faults.unwrap_or(usize::MAX));
            let limit = limit.map_err(|e| item.invalid(e.wrong, e.expected))?;
            if let (Metric::Fault { index: Some(index), .. }, None) = (limit.metric, faults) {
                let wrong = format!("which fault is fault[{index}] is not known before it is drawn");
                return Err(item.invalid(wrong, "fault[*]"));
            }
            limits.push(limit);
        }
    }
    let mut implied = Vec::new();
    match section.get("implied") {
        None => implied.extend(Implied::ALL),
        Some(item) => {
            let names = Implied::ALL.map(|implied| (implied.name(), implied));
            for item in item.array("a list of what a pass takes in any case such as [\"recovered\"]")? {
                let one = item.choice(&names, &[])?;
                if implied.contains(&one) {
                    return Err(item.invalid("is listed twice", "each once"));
                }
                implied.push(one);
            }
        }
    }
    Ok(Pass { history, limits, implied })
}
