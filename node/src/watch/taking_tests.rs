use std::fs;
use std::thread;
use std::time::Instant;

use super::*;
use crate::app::Service;
use crate::app::define::{Define, ListPage, Versioned};
use crate::app::reasons::{ReadOnly, Unconfirmed};
use crate::http::tests::fake::Fake;
use crate::metrics::Metrics;
use crate::pages::{grouped, states};
use crate::watch::outcome::Outcomes;
use certmesh_api::TypeRequest;
use certmesh_tables::Map;

const OWN: &str = "11430000006122244L";
const MAP: &str =
    "serial = \"编号\"\nvalid_from = \"日期\"\nholder = { kind = \"111\", column = \"证件\" }\n";

/// A watched folder and a peer made of memory.
struct Scene {
    dir: tempfile::TempDir,
    fake: Arc<Fake>,
    needs: Needs,
    runtime: tokio::runtime::Runtime,
    stop: Stop,
    watch: WatchConfig,
}

impl Scene {
    fn new(map: &str) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("map.toml"), map).unwrap();
        let map = Map::read(&dir.path().join("map.toml")).unwrap();
        let fake = Arc::new(Fake::default());
        let type_code = format!("{OWN}001");
        let definition = TypeRequest {
            code: type_code.clone(),
            name: "证".to_owned(),
            ..TypeRequest::default()
        };
        *fake.standard.lock() = Some(Versioned {
            definition: definition.check().unwrap(),
            version: 1,
            department: OWN.parse().unwrap(),
            versions: Vec::new(),
        });
        let needs = Needs {
            service: Arc::clone(&fake) as Arc<dyn Service>,
            metrics: Arc::new(Metrics::new()),
            department: OWN.parse().unwrap(),
        };
        let watch = WatchConfig {
            folder: dir.path().to_owned(),
            type_code: type_code.parse().unwrap(),
            map,
        };
        Scene {
            dir,
            fake,
            needs,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            stop: Stop::default(),
            watch,
        }
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.dir.path().join(name), bytes).unwrap();
    }

    fn table(&self, rows: usize) {
        let rows = (0..rows).map(|n| format!("S{n},11010519491231002X,2020-01-02\n"));
        let text: String = rows.collect();
        self.put("a.csv", format!("编号,证件,日期\n{text}"));
    }

    fn import(&self, name: &str) -> End {
        let path = self.dir.path().join(name);
        let outcomes = Outcomes::of(self.dir.path());
        let target = outcomes.target(path.file_name().unwrap()).unwrap();
        let taking = Taking {
            needs: &self.needs,
            runtime: self.runtime.handle(),
            stop: &self.stop,
            watch: &self.watch,
            path: &path,
        };
        taking.import(&target)
    }

    #[track_caller]
    fn until(&self, holds: impl Fn(&Fake) -> bool) {
        let begun = Instant::now();
        while !holds(&self.fake) {
            assert!(begun.elapsed() < Duration::from_secs(30));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[track_caller]
fn done(end: End) -> [u64; 5] {
    match end {
        End::Done(told) => [
            told.rows,
            told.issued,
            told.already_there,
            told.merged,
            told.rejected,
        ],
        other => panic!("{}", said(&other)),
    }
}

fn said(end: &End) -> String {
    match end {
        End::Done(_) => "done".to_owned(),
        End::Unreadable(why) => format!("unreadable: {why}"),
        End::Later(why) => format!("later: {why}"),
        End::Gone => "gone".to_owned(),
        End::Stopped => "stopped".to_owned(),
    }
}

#[test]
fn the_page_states_how_many_rows_a_file_may_have() {
    let most = grouped(MOST_ROWS);
    let text = format!("one at a time, of at most {most} rows each");
    states("docs/operator.md", &text);
}

#[test]
fn rows_are_handed_over_in_batches_and_recognised_the_next_time() {
    let scene = Scene::new(MAP);
    scene.table(5_000);
    assert_eq!(done(scene.import("a.csv")), [5_000, 5_000, 0, 0, 0]);
    assert_eq!(*scene.fake.groups.lock(), [2_000, 2_000, 1_000]);
    assert_eq!(done(scene.import("a.csv")), [5_000, 0, 5_000, 0, 0]);
}

#[test]
fn rows_wait_while_the_log_takes_none_and_none_is_lost_or_doubled() {
    let scene = Scene::new(MAP);
    scene.table(2_500);
    for refusal in [
        Refusal::Overloaded { retry_after_s: 1 },
        Refusal::OwnLogUnconfirmed(Unconfirmed::WouldFork),
        Refusal::CatalogueKeyMissing {
            key: "0123456789ab".to_owned(),
            since: 3,
        },
        Refusal::Internal,
    ] {
        *scene.fake.refuse.lock() = Some(refusal);
        scene.fake.groups.lock().clear();
        thread::scope(|scope| {
            let import = scope.spawn(|| scene.import("a.csv"));
            scene.until(|fake| fake.groups.lock().len() > 2);
            *scene.fake.refuse.lock() = None;
            let [rows, issued, there, merged, rejected] = done(import.join().unwrap());
            assert_eq!(
                (rows, issued + there, merged, rejected),
                (2_500, 2_500, 0, 0)
            );
        });
    }
    let page = ListPage {
        limit: 1,
        after: None,
    };
    assert_eq!(scene.fake.types(&page).unwrap().certificates, 2_500);
}

#[test]
fn a_stop_ends_the_waiting() {
    let scene = Scene::new(MAP);
    scene.table(2_500);
    *scene.fake.refuse.lock() = Some(Refusal::LogReadOnly(ReadOnly::LaterVersion { seq: 7 }));
    thread::scope(|scope| {
        let import = scope.spawn(|| scene.import("a.csv"));
        scene.until(|fake| !fake.groups.lock().is_empty());
        scene.stop.ask();
        assert_eq!(said(&import.join().unwrap()), "stopped");
    });
}

#[test]
fn a_file_is_unreadable_only_for_what_is_wrong_with_the_file() {
    let scene = Scene::new(MAP);
    scene.put("b.csv", "编号,证件\nS1,x\n");
    scene.put("c.xlsx", "no ZIP file");
    scene.put("d.pdf", "%PDF");
    scene.put("e.csv", "");
    for (name, expected) in [
        (
            "b.csv",
            "unreadable: the map does not fit the file\n  - valid_from: the file has no column `日期`",
        ),
        ("c.xlsx", "unreadable: "),
        ("d.pdf", "unreadable: its name doesn't give its format"),
        ("e.csv", "unreadable: the map does not fit the file"),
        ("nowhere.csv", "gone"),
    ] {
        let said = said(&scene.import(name));
        assert!(said.starts_with(expected), "{name}: {said}");
    }
    scene.table(1);
    *scene.fake.refuse.lock() = Some(Refusal::Internal);
    let told = said(&scene.import("a.csv"));
    assert!(told.starts_with("later: the node failed"), "{told}");
    let strange = format!("{MAP}[fields]\nXYZ = \"编号\"\n");
    let strange = Scene {
        watch: Scene::new(&strange).watch,
        ..scene
    };
    let standard = strange.fake.standard.lock().take().unwrap();
    let told = said(&strange.import("a.csv"));
    assert!(
        told.starts_with("later: type ") && told.contains("not defined"),
        "{told}"
    );
    let field = certmesh_api::FieldView {
        code: "ZZMC".to_owned(),
        name: "名称".to_owned(),
        required: true,
        ..Default::default()
    };
    let definition = TypeRequest {
        fields: vec![field],
        ..TypeRequest::of(&standard.definition)
    };
    *strange.fake.standard.lock() = Some(Versioned {
        definition: definition.check().unwrap(),
        ..standard
    });
    let told = said(&strange.import("a.csv"));
    for expected in ["later: the map does not fit", "fields.ZZMC", "fields.XYZ"] {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_spreadsheet_is_imported_and_its_rejected_rows_are_kept_and_counted() {
    let scene = Scene::new(&format!("duplicates = \"reject\"\n{MAP}"));
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in ["编号", "证件", "日期"].into_iter().enumerate() {
        sheet.write(0, column as u16, name).unwrap();
    }
    for (row, serial) in ["S1", "S2", "S1", "S3"].into_iter().enumerate() {
        let row = row as u32 + 1;
        sheet.write(row, 0, serial).unwrap();
        sheet.write(row, 1, "11010519491231002X").unwrap();
        sheet.write(row, 2, "2020-01-02").unwrap();
    }
    book.save(scene.dir.path().join("a.xlsx")).unwrap();
    let End::Done(told) = scene.import("a.xlsx") else {
        panic!("the spreadsheet was not imported");
    };
    assert_eq!((told.issued, told.rejected), (2, 2));
    assert_eq!(told.rejects.as_deref(), Some("rejected/a.xlsx"));
    // They are a spreadsheet of the same kind: dropped again, these rows are still the same.
    let kept = scene.dir.path().join("rejected/.a.xlsx.rejects");
    fs::rename(kept, scene.dir.path().join("b.xlsx")).unwrap();
    assert_eq!(done(scene.import("b.xlsx")), [2, 0, 0, 0, 2]);
    let metrics = scene.needs.metrics.encode();
    for line in [
        "certmesh_rows_issued_total 2",
        "certmesh_rows_refused_total{reason=\"invalid-field\"} 4",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[test]
fn a_spreadsheet_with_hidden_rows_is_rejected_without_a_word_in_the_map() {
    for (word, expected) in [
        ("", None),
        ("hidden_rows = \"skip\"\n", Some((1, 1))),
        ("hidden_rows = \"import\"\n", Some((2, 0))),
    ] {
        let scene = Scene::new(&format!("{word}{MAP}"));
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        for (row, cells) in [
            ["编号", "证件", "日期"],
            ["S1", "11010519491231002X", "2020-01-02"],
            ["S2", "11010519491231002X", "2020-01-02"],
        ]
        .into_iter()
        .enumerate()
        {
            sheet.write_row(row as u32, 0, cells).unwrap();
        }
        sheet.set_row_hidden(1).unwrap();
        book.save(scene.dir.path().join("a.xlsx")).unwrap();
        let end = scene.import("a.xlsx");
        let Some(expected) = expected else {
            let why = said(&end);
            assert!(why.contains("has 1 hidden row (2)"), "{why}");
            assert_eq!(scene.fake.groups.lock().iter().sum::<usize>(), 0);
            continue;
        };
        let End::Done(summary) = end else {
            panic!("{}", said(&end));
        };
        assert_eq!((summary.issued, summary.left_out), expected);
        assert_eq!(summary.taken.len(), 2, "{:?}", summary.taken);
    }
}
