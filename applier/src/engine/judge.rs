//! What sealed runs bring, prepared for the ledger: pure, so that it can be done beside the posting of what comes before.

use journal_core::model::{SchemaVersion, SealNr, SealedRun, TransNr, TransactionId};
use schema_mappers::Registry;

use super::attempt::Verdict;
use super::prepare::{Judge, Keys, NotReady, Part, Ready, prepare};
use crate::ledger::{Planned, Planner};

/// An accepted transaction of a peer on its way into the ledger.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: TransactionId,
    pub(super) seal_nr: SealNr,
    /// Its run's place in the batch.
    pub(super) run: usize,
    pub(super) ready: Ready,
    /// Whether `ready` tells the keys it touches.
    pub(super) told: bool,
}

/// What a batch of runs came to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) members: Vec<Member>,
    /// What speaks against each of them.
    pub(super) verdicts: Vec<Option<Verdict>>,
    pub(super) cut: Option<Cut>,
    /// What carries all of it out, where that could be made in advance.
    pub(super) planned: Option<Planned>,
}

impl Judged {
    /// Nothing may speak against a member, and none may have to meet rows.
    fn plan(&self, planner: &Planner) -> Option<Planned> {
        if self.verdicts.iter().any(Option::is_some) {
            return None;
        }
        let mut changes = Vec::with_capacity(self.members.iter().map(|member| member.ready.len()).sum());
        for part in self.members.iter().flat_map(|member| &member.ready.parts) {
            match part {
                Part::Changes(mapped) => changes.extend(mapped),
                Part::Meets { .. } => return None,
            }
        }
        planner.plan(&changes)
    }
}

/// Where the batch ends before its end: at a schema version that is not known here yet.
#[derive(Debug)]
pub(super) struct Cut {
    /// The first run that cannot be posted.
    pub(super) run: usize,
    /// Its first member.
    pub(super) member: usize,
    pub(super) reason: String,
}

/// What runs are judged by.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) registry: Registry,
    /// The ledger's version.
    pub(super) version: SchemaVersion,
    pub(super) keys: Keys,
    /// Plans the batch as well; left out where its turn has come.
    pub(super) planner: Option<Planner>,
}

impl Terms {
    /// Prepares what the runs, all of one origin, bring after a number.
    pub(super) fn judge(&self, runs: &[SealedRun], passed: TransNr) -> Judged {
        let most = runs.iter().map(|run| run.transactions.len()).sum();
        let mut judged = Judged {
            members: Vec::with_capacity(most),
            verdicts: Vec::with_capacity(most),
            ..Judged::default()
        };
        for (place, run) in runs.iter().enumerate() {
            let member = judged.members.len();
            for transaction in run.accepted().filter(|transaction| transaction.id.trans_nr > passed) {
                let prepared = prepare(transaction, &self.registry, self.version, Judge::Peer, self.keys);
                let (ready, verdict) = match prepared {
                    Ok(ready) => (ready, None),
                    Err(NotReady::Fault(fault, detail)) => {
                        let (version, touches) = (transaction.schema_version, Vec::new());
                        (Ready { version, parts: Vec::new(), touches }, Some((fault, detail)))
                    }
                    Err(NotReady::UnknownVersion(version)) => {
                        let id = &transaction.id;
                        let reason = format!(
                            "{id} is written at schema version {version}, which this service does not know yet"
                        );
                        judged.cut = Some(Cut { run: place, member, reason });
                        return judged;
                    }
                };
                judged.members.push(Member {
                    id: transaction.id.clone(),
                    seal_nr: run.seal.seal_nr,
                    run: place,
                    ready,
                    told: self.keys == Keys::Told && verdict.is_none(),
                });
                judged.verdicts.push(verdict);
            }
        }
        judged.planned = self.planner.as_ref().and_then(|planner| judged.plan(planner));
        judged
    }
}
