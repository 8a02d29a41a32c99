//! What one transaction is to do, and what it answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use wharf_wire::date::Timestamp;

use crate::{
    mirror::{
        crash_point::{self, Point},
        state::Finished,
    },
    store::{
        backfill::{Burying, Filling},
        command::{
            Asked, Claiming, Command, Finishing, Leasing, Opening, Redriven, Redriving, Sayings, Syncing,
        },
        equal::Recording,
        error::JournalError,
        intent::{Intent, OpenIntent, Settlement, Settlements},
        place::{PlacePair, Placing},
        report::Claim,
        tee::TeeNote,
        usage::UsageWrite,
    },
};

use super::{
    intents::add_settlements,
    webhooks::{WebhookAnswers, WebhookBatch},
    work::Work,
};

/// Commands in one transaction, and the rows that they bring. Harm: everybody waits for the end of a large one.
const COMMANDS_MAX: usize = 256;
const ROWS_MAX: usize = 2000;

/// What one transaction is to do.
#[derive(Default)]
pub(super) struct Batch {
    opens: Vec<Asked<Vec<Opening>, Vec<Intent>>>,
    marks: Vec<Asked<Sayings, ()>>,
    claims: Vec<Asked<Claiming, Vec<Claim>>>,
    leases: Vec<Asked<Leasing, bool>>,
    finishes: Vec<Asked<Finishing, Finished>>,
    redrives: Vec<Asked<Redriving, Redriven>>,
    records: Vec<Asked<Recording, ()>>,
    forgets: Vec<Asked<PlacePair, u64>>,
    places: Vec<Asked<Placing, ()>>,
    syncs: Vec<Asked<Syncing, ()>>,
    tees: Vec<Asked<TeeNote, ()>>,
    buries: Vec<Asked<Burying, bool>>,
    fills: Vec<Asked<Filling, Option<u64>>>,
    usage: Vec<Asked<UsageWrite, ()>>,
    webhooks: WebhookBatch,
    settlements: Vec<Settlement>,
    /// The intents of `opens`, in order, with their ids.
    pub(super) opened: Vec<Arc<OpenIntent>>,
    promotion: Option<Promotion>,
    commands: usize,
    rows: usize,
}

/// Whose intents are taken for changes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Promotion {
    /// Those of earlier runs of this node, whatever their leases say: it is starting.
    OwnNode,
    /// Those of runs whose lease ran out.
    RunOut,
}

/// What a transaction answers, question by question; and whom to wake.
pub(super) struct Answers {
    claims: Vec<Vec<Claim>>,
    leases: Vec<bool>,
    finishes: Vec<Finished>,
    redrives: Vec<Redriven>,
    forgets: Vec<u64>,
    buries: Vec<bool>,
    fills: Vec<Option<u64>>,
    pub(super) webhooks: WebhookAnswers,
    pub(super) woken: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Whether there is more to promote.
    pub(super) has_more: bool,
}

/// On whose behalf a transaction is made.
pub(super) struct Author<'a> {
    pub(super) run: &'a str,
    pub(super) node: &'a str,
}

impl Batch {
    /// A transaction that promotes intents, besides what is added.
    pub(super) fn of_promotion(promotion: Promotion) -> Self {
        Self { promotion: Some(promotion), ..Self::default() }
    }

    /// Takes a command in. One whose caller has gone is done for nobody, and leaves no trace.
    pub(super) fn add(&mut self, command: Command) {
        self.commands += 1;
        self.rows += match &command {
            Command::Open(asked) => asked.question.len(),
            Command::Mark(asked) => asked.question.len(),
            Command::Claim(asked) => asked.question.count_max as usize,
            Command::Record(asked) => asked.question.equal.len(),
            Command::Bury(asked) => asked.question.keys.len(),
            Command::Usage(asked) => asked.question.rows.len(),
            Command::WebhookWrite(asked) => asked.question.rows(),
            Command::WebhookClaim(asked) => asked.question.count_max as usize,
            Command::WebhookLook(asked) => asked.question as usize,
            Command::Lease(_)
            | Command::Finish(_)
            | Command::Redrive(_)
            | Command::Sync(_)
            | Command::Forget(_)
            | Command::Place(_)
            | Command::Tee(_)
            | Command::Fill(_) => 1,
        };
        match command {
            Command::Open(asked) => push(&mut self.opens, asked),
            Command::Mark(asked) => push(&mut self.marks, asked),
            Command::Claim(asked) => push(&mut self.claims, asked),
            Command::Lease(asked) => push(&mut self.leases, asked),
            Command::Finish(asked) => push(&mut self.finishes, asked),
            Command::Redrive(asked) => push(&mut self.redrives, asked),
            Command::Record(asked) => push(&mut self.records, asked),
            Command::Forget(asked) => push(&mut self.forgets, asked),
            Command::Place(asked) => push(&mut self.places, asked),
            Command::Sync(asked) => push(&mut self.syncs, asked),
            Command::Tee(asked) => push(&mut self.tees, asked),
            Command::Bury(asked) => push(&mut self.buries, asked),
            Command::Fill(asked) => push(&mut self.fills, asked),
            Command::Usage(asked) => push(&mut self.usage, asked),
            Command::WebhookWrite(asked) => self.webhooks.write(asked),
            Command::WebhookClaim(asked) => self.webhooks.claim(asked),
            Command::WebhookLook(asked) => self.webhooks.look(asked),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.commands >= COMMANDS_MAX || self.rows >= ROWS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands == 0 && self.settlements.is_empty() && self.promotion.is_none()
    }

    /// Adds outcomes, and gives the new intents their ids from `next` on; the id behind the last.
    pub(super) fn complete(&mut self, settlements: Vec<Settlement>, mut next: i64, now: Timestamp) -> i64 {
        self.settlements = settlements;
        for opening in self.opens.iter().flat_map(|asked| &asked.question) {
            self.opened.push(Arc::new(OpenIntent {
                id: next,
                bucket: Arc::clone(&opening.bucket),
                key: Arc::clone(&opening.key),
                change: opening.change,
                mirrors: Arc::clone(&opening.mirrors),
                taken_by: opening.taken_by.clone(),
                opened_at: now,
            }));
            next += 1;
        }
        next
    }

    /// Does all of it.
    pub(super) async fn apply(
        &self,
        work: &mut Work<'_>,
        author: &Author<'_>,
        mut token: impl FnMut() -> u64,
    ) -> Result<Answers, sqlx::Error> {
        let Author { run, node } = author;
        let has_more = match self.promotion {
            None => false,
            Some(promotion) => {
                let node = matches!(promotion, Promotion::OwnNode).then_some(*node);
                work.end_lost_runs(run, node).await?;
                if node.is_some() {
                    work.end_lost_leases().await?;
                }
                work.absorb_counts(author.node).await?;
                work.promote_orphans().await?
            }
        };
        let mut sayings = self.marked();
        add_settlements(&mut sayings, &self.settlements);
        work.say(&sayings).await?;
        work.record_teed(&self.settlements).await?;
        work.delete_intents(run, &self.settled_ids()).await?;
        work.insert_intents(run, &self.opened).await?;
        let leases = work.lease(&questions(&self.leases)).await?;
        let finishes = work.finish(&questions(&self.finishes)).await?;
        let mut redrives = Vec::with_capacity(self.redrives.len());
        for redriving in questions(&self.redrives) {
            redrives.push(work.redrive(redriving).await?);
        }
        for recording in questions(&self.records) {
            work.record_equal(recording).await?;
        }
        let mut forgets = Vec::with_capacity(self.forgets.len());
        for pair in questions(&self.forgets) {
            forgets.push(work.forget(pair).await?);
        }
        for placing in questions(&self.places) {
            work.place(placing).await?;
        }
        for syncing in questions(&self.syncs) {
            work.sync(syncing).await?;
        }
        for note in questions(&self.tees) {
            work.tee(note).await?;
        }
        for write in questions(&self.usage) {
            work.add_usage(write).await?;
        }
        let (buries, fills) = self.backfill(work, &mut token).await?;
        let mut claims = Vec::with_capacity(self.claims.len());
        for claiming in questions(&self.claims) {
            claims.push(work.claim(claiming, token()).await?);
        }
        let webhooks = self.webhooks.apply(work, token).await?;
        let woken = BTreeSet::new();
        Ok(Answers { claims, leases, finishes, redrives, forgets, buries, fills, webhooks, woken, has_more })
    }

    async fn backfill(
        &self,
        work: &mut Work<'_>,
        token: &mut impl FnMut() -> u64,
    ) -> Result<(Vec<bool>, Vec<Option<u64>>), sqlx::Error> {
        let mut buries = Vec::with_capacity(self.buries.len());
        for burying in questions(&self.buries) {
            buries.push(work.bury(burying).await?);
        }
        let mut fills = Vec::with_capacity(self.fills.len());
        for filling in questions(&self.fills) {
            fills.push(work.fill(filling, token()).await?);
        }
        Ok((buries, fills))
    }

    /// Says that the transaction is where outcomes, ends of claims and promoted intents meet one of these points.
    pub(super) fn reached(&self, answers: &Answers, [settled, finished, promoted]: [Point; 3]) {
        let points = [
            (!self.settlements.is_empty(), settled),
            (!self.finishes.is_empty(), finished),
            (answers.has_more, promoted),
        ];
        points
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .for_each(|(_, point)| crash_point::reached(point));
    }

    /// Tells everybody what came of it.
    pub(super) fn answer(mut self, answers: Answers, settlements: &Arc<Settlements>) {
        let mut opened = self.opened.into_iter();
        for asked in self.opens {
            let intents = opened.by_ref().take(asked.question.len());
            let intents = intents.map(|open| Intent::new(open, Arc::clone(settlements))).collect();
            asked.answer(Ok(intents));
        }
        for asked in self.marks {
            asked.answer(Ok(()));
        }
        for asked in self.records {
            asked.answer(Ok(()));
        }
        for asked in self.places {
            asked.answer(Ok(()));
        }
        for asked in self.syncs {
            asked.answer(Ok(()));
        }
        for asked in self.tees {
            asked.answer(Ok(()));
        }
        for asked in self.usage {
            asked.answer(Ok(()));
        }
        answer_each(self.forgets, answers.forgets);
        answer_each(self.buries, answers.buries);
        answer_each(self.fills, answers.fills);
        answer_each(self.claims, answers.claims);
        answer_each(self.leases, answers.leases);
        answer_each(self.finishes, answers.finishes);
        answer_each(self.redrives, answers.redrives);
        self.webhooks.answer(answers.webhooks);
    }

    /// Tells everybody that nothing was done; the outcomes, which are to be tried again.
    pub(super) fn refuse(mut self, error: &JournalError) -> Vec<Settlement> {
        refuse_each(self.opens, error);
        refuse_each(self.marks, error);
        refuse_each(self.claims, error);
        refuse_each(self.leases, error);
        refuse_each(self.finishes, error);
        refuse_each(self.redrives, error);
        refuse_each(self.records, error);
        refuse_each(self.forgets, error);
        refuse_each(self.places, error);
        refuse_each(self.syncs, error);
        refuse_each(self.tees, error);
        refuse_each(self.buries, error);
        refuse_each(self.fills, error);
        refuse_each(self.usage, error);
        self.webhooks.refuse(error);
        self.settlements
    }

    /// The intents that are settled.
    pub(super) fn settled_ids(&self) -> Vec<i64> {
        self.settlements.iter().map(|settlement| settlement.intent.id).collect()
    }

    fn marked(&self) -> Sayings {
        let mut sayings: Sayings = BTreeMap::new();
        for (row, said) in self.marks.iter().flat_map(|asked| &asked.question) {
            sayings.entry(row.clone()).or_default().extend(said);
        }
        sayings
    }
}

impl<Question, Answer> Asked<Question, Answer> {
    fn answer(self, answer: Result<Answer, JournalError>) {
        // Whoever asked may have gone meanwhile. An intent that nobody takes is dropped here, and so settled.
        let _gone = self.reply.send(answer);
    }
}

pub(super) fn push<Question, Answer>(
    batch: &mut Vec<Asked<Question, Answer>>,
    asked: Asked<Question, Answer>,
) {
    if !asked.reply.is_closed() {
        batch.push(asked);
    }
}

pub(super) fn questions<Question, Answer>(asked: &[Asked<Question, Answer>]) -> Vec<&Question> {
    asked.iter().map(|asked| &asked.question).collect()
}

pub(super) fn answer_each<Question, Answer>(asked: Vec<Asked<Question, Answer>>, answers: Vec<Answer>) {
    for (asked, answer) in asked.into_iter().zip(answers) {
        asked.answer(Ok(answer));
    }
}

pub(super) fn refuse_each<Question, Answer>(asked: Vec<Asked<Question, Answer>>, error: &JournalError) {
    for asked in asked {
        asked.answer(Err(error.clone()));
    }
}
