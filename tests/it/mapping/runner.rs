//! Runs cases on two real sites: rows that stand are moved, each version writes at each site, views are held against the
//! mapper, the newer site goes back and up again, and so does the older one. The first file to read is `case.rs`.

use std::collections::BTreeSet;

use journal_core::model::TransNr;
use schema_mappers::MappedRow;

use super::case::{Case, set_of};
use super::judge::{Look, Report, Shown, difference, mark, sort, text_of};
use super::world::{Refusal, Store, Tables, World};

/// A writing: its number, where it is written and at which version.
#[derive(Debug, Clone, Copy)]
struct Writing {
    number: usize,
    site: &'static str,
    version: i64,
    what: &'static str,
}

/// The writings: rows that stand before anything else, then each version at each site.
fn writings(newest: i64) -> Vec<Writing> {
    let mut all = vec![Writing { number: 0, site: "a", version: 1, what: "moved" }];
    for version in 1..=newest {
        let (at_a, at_b) = match version {
            1 => ("old at a", "old at b"),
            _ => ("new at a", "new at b"),
        };
        all.push(Writing { number: all.len(), site: "a", version, what: at_a });
        all.push(Writing { number: all.len(), site: "b", version, what: at_b });
    }
    all
}

/// Runs cases that share a number of versions as one set, on one store. `None` where the store is not installed.
pub(crate) async fn run(store: Store, cases: &[Case]) -> Option<Report> {
    let world = World::new(store, set_of(cases)).await?;
    let mut run = Run { world, cases, writings: writings(cases[0].newest()), report: Report::default() };
    for case in cases {
        *run.report.variants.entry(case.op.clone()).or_default() += 1;
    }
    if let Err(fault) = run.all().await {
        run.report.faults.push(format!("{}: {}: {fault}", cases[0].op, cases[0].name));
        run.report.ended_early = true;
    }
    Some(run.report)
}

struct Run<'c> {
    world: World,
    cases: &'c [Case],
    writings: Vec<Writing>,
    report: Report,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), String> {
        let newest = self.world.newest;
        self.write(self.writings[0]).await;
        self.world.settle().await;
        self.world.reshape("b", newest).await?;
        for writing in self.writings.clone().into_iter().skip(1) {
            self.write(writing).await;
            if self.cases[0].apart {
                self.world.settle().await;
            }
        }
        self.world.settle().await;
        self.nothing_is_refused().await?;
        self.looks().await?;
        self.verified("verify").await?;
        if !self.cases[0].lossy {
            self.back_and_up().await?;
        }
        self.refuse().await;
        Ok(())
    }

    async fn write(&self, writing: Writing) {
        let schema = self.world.schema(writing.version);
        let mut changes = Vec::new();
        for case in self.cases {
            for lines in case.writes.iter().filter(|lines| lines.written_at == writing.version) {
                changes.extend(case.changes(lines, &mark(writing.number), schema));
            }
        }
        self.world.append(writing.site, writing.version, &changes).await;
    }

    async fn nothing_is_refused(&self) -> Result<(), String> {
        let refused = self.world.refusals().await;
        let told: Vec<String> = refused
            .iter()
            .map(|refusal| {
                format!("{}/{} at {} {}", refusal.origin, refusal.trans_nr.0, refusal.site, refusal.why)
            })
            .collect();
        if told.is_empty() { Ok(()) } else { Err(told.join("\n    ")) }
    }

    /// Every way to look at what was written, at every version.
    async fn looks(&mut self) -> Result<(), String> {
        let newest = self.world.newest;
        let (a, b) = (self.world.ledger("a", 1).await, self.world.ledger("b", newest).await);
        for version in 1..=newest {
            let viewed = self.look(self.world.viewed("b", version).await?);
            let mapped = self.look(self.world.mapped(newest, version, b.clone())?);
            let other = self.look(self.world.mapped(1, version, a.clone())?);
            self.alike("views", version, (&viewed, "the view at b"), (&mapped, "the mapper at b"));
            if version == 1 {
                let viewed = self.look(self.world.viewed("a", 1).await?);
                self.alike("views", version, (&viewed, "the view at a"), (&other, "the ledger at a"));
            }
            self.every_writing(version, &mapped, "b");
            self.every_writing(version, &other, "a");
            self.as_expected(version, &mapped);
        }
        Ok(())
    }

    fn look(&self, tables: Tables) -> Look {
        sort(self.cases, &tables, self.writings.len())
    }

    fn alike(&mut self, what: &'static str, version: i64, one: (&Look, &str), other: (&Look, &str)) {
        let none = Shown::new();
        for (at, case) in self.cases.iter().enumerate() {
            for writing in self.writings.iter().map(|writing| Some(writing.number)).chain([None]) {
                let shown =
                    |look: &'_ Look| look.get(&(at, writing)).cloned().unwrap_or_else(|| none.clone());
                let (shown_one, shown_other) = (shown(one.0), shown(other.0));
                if writing.is_none() && !shown_one.is_empty() {
                    self.report.faults.push(format!("{}: rows without a mark: {shown_one:?}", case.name));
                }
                if shown_one.is_empty() && shown_other.is_empty() {
                    continue;
                }
                let names =
                    (format!("{} of version {version}", one.1), format!("{} of version {version}", other.1));
                let fault = difference(&shown_one, &shown_other, (&names.0, &names.1));
                self.report.check(case, what, fault);
            }
        }
    }

    /// All writings of one version must come to the same, as what was written at the site of that version.
    fn every_writing(&mut self, seen_at: i64, look: &Look, site: &str) {
        let none = Shown::new();
        let first = |version| {
            let home = if version == 1 { "a" } else { "b" };
            self.writings
                .iter()
                .find(|writing| writing.version == version && writing.site == home && writing.number > 0)
        };
        for (at, case) in self.cases.iter().enumerate() {
            for writing in &self.writings {
                let written = case.writes.iter().any(|lines| lines.written_at == writing.version);
                if !written || (case.lossy && seen_at < self.world.newest) {
                    continue;
                }
                let home = first(writing.version).expect("a writing at home").number;
                let shown = |number| look.get(&(at, Some(number))).unwrap_or(&none);
                let names = (
                    "written at home",
                    format!("written {} and seen at {site} by version {seen_at}", writing.what),
                );
                let fault = difference(shown(home), shown(writing.number), (names.0, &names.1));
                self.report.check(case, writing.what, fault);
            }
        }
    }

    fn as_expected(&mut self, version: i64, look: &Look) {
        let none = Shown::new();
        for (at, case) in self.cases.iter().enumerate() {
            for expected in case.expected.iter().filter(|expected| expected.seen_at == version) {
                let rows = case.rows(expected, "17100", self.world.schema(version));
                let schema = self.world.schema(version);
                let told: Shown = rows
                    .into_iter()
                    .map(|(table, mut row)| {
                        for column in &schema.tables[&table].columns {
                            if !row.contains(&column.name) {
                                row.set(column.name.clone(), journal_core::model::Value::Null);
                            }
                        }
                        text_of(&table, &row, &case.suffix).replace("17100", "@")
                    })
                    .collect();
                let writing = self.writings.iter().find(|writing| writing.version == expected.written_at);
                let number = writing.expect("a writing").number;
                let shown = look.get(&(at, Some(number))).unwrap_or(&none);
                let name = format!("version {} sees", expected.seen_at);
                self.report.check(case, "expected", difference(&told, shown, ("expected", &name)));
            }
        }
    }

    async fn verified(&mut self, what: &'static str) -> Result<(), String> {
        let report = self.world.verify().await?;
        for (at, case) in self.cases.iter().enumerate() {
            let own = |name: &str| self.cases.len() == 1 || name.ends_with(&self.cases[at].suffix);
            let differences: Vec<String> = report
                .differences
                .iter()
                .filter(|difference| own(&difference.table))
                .map(|difference| format!("{difference:?}"))
                .collect();
            let fault = (!differences.is_empty()).then(|| differences.join("\n    "));
            self.report.check(case, what, fault);
        }
        if report.equal {
            Ok(())
        } else {
            Err(format!("{what}: the sites differ: {:?} {:?}", report.a, report.b))
        }
    }

    /// Before any contract there is a way back, for either site, and up again: rows and what is kept of them are then as
    /// they are at a site that has been at that version all the time, and as they were before.
    async fn back_and_up(&mut self) -> Result<(), String> {
        let newest = self.world.newest;
        let (a, b) = (self.world.ledger("a", 1).await, self.world.ledger("b", newest).await);
        self.world.reshape("b", 1).await?;
        let back = self.world.ledger("b", 1).await;
        self.same("back", (&a, "at a all along"), (&back, "back at b"));
        self.verified("back").await?;
        self.world.reshape("b", newest).await?;
        let again = self.world.ledger("b", newest).await;
        self.same("up again", (&b, "before"), (&again, "up again"));
        self.world.reshape("a", newest).await?;
        let up = self.world.ledger("a", newest).await;
        self.same("both up", (&b, "at b"), (&up, "at a"));
        self.verified("both up").await?;
        self.world.reshape("a", 1).await?;
        let back = self.world.ledger("a", 1).await;
        self.same("back", (&a, "before"), (&back, "back at a"));
        Ok(())
    }

    fn same(&mut self, what: &'static str, one: (&[MappedRow], &str), other: (&[MappedRow], &str)) {
        for (at, case) in self.cases.iter().enumerate() {
            let told = |rows: &[MappedRow]| -> Shown {
                let own = rows
                    .iter()
                    .filter(|row| self.cases.len() == 1 || row.table.ends_with(&self.cases[at].suffix));
                own.map(|row| {
                    format!("{} keeps {:?}", text_of(&row.table, &row.row, &case.suffix), row.complement)
                })
                .collect()
            };
            let fault = difference(&told(one.0), &told(other.0), (one.1, other.1));
            self.report.check(case, what, fault);
        }
    }

    /// What cannot be carried: rejected at a site of the other end, accepted at its own and held at the other.
    async fn refuse(&mut self) {
        let mut written = Vec::new();
        for (at, case) in self.cases.iter().enumerate() {
            for lines in &case.refused {
                for (place, site) in ["a", "b"].into_iter().enumerate() {
                    let schema = self.world.schema(lines.written_at);
                    let changes = case.changes(lines, &mark(self.writings.len() + place), schema);
                    let numbers = self.world.append(site, lines.written_at, &changes).await;
                    written.push((at, lines.written_at, site, numbers));
                }
            }
        }
        self.world.settle().await;
        let refusals = self.world.refusals().await;
        for (at, version, site, numbers) in written {
            let case = &self.cases[at];
            assert!(version == 1 || version == self.world.newest, "{}: no site is at {version}", case.name);
            let at_home = (version == 1) == (site == "a");
            let wanted = match (at_home, site) {
                (false, site) => (site, "rejected"),
                (true, "a") => ("b", "in quarantine"),
                (true, _) => ("a", "in quarantine"),
            };
            self.report.check(case, "refused", unlike(&refusals, site, &numbers, wanted));
        }
    }
}

/// What is not as wanted: each of the transactions refused at this site and in this way, and nowhere else.
fn unlike(all: &[Refusal], origin: &str, numbers: &[TransNr], (site, how): (&str, &str)) -> Option<String> {
    let own = all.iter().filter(|refusal| refusal.origin == origin && numbers.contains(&refusal.trans_nr));
    let (right, wrong): (Vec<_>, Vec<_>) =
        own.partition(|refusal| refusal.site == site && refusal.why.starts_with(how));
    let refused: BTreeSet<TransNr> = right.iter().map(|refusal| refusal.trans_nr).collect();
    let fault = refused.len() < numbers.len() || !wrong.is_empty();
    fault
        .then(|| format!("not all of {numbers:?} of {origin} are {how} at {site}: {right:?}; else {wrong:?}"))
}
