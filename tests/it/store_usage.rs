//! Sums of usage, on every database.

use wharf::store::UsageRow;

use crate::support::database::on_every_database;

fn row(caller: &str, day: u32, event: &str, (times, bytes): (u64, u64)) -> UsageRow {
    let (provider, event) = ("main".to_owned(), event.to_owned());
    UsageRow { caller: caller.to_owned(), day, provider, event, times, bytes }
}

on_every_database! {
    async fn sums_grow_and_callers_see_their_own(database) {
        let store = database.open().await;
        let journal = store.journal();
        let many: Vec<_> = (0..1200).map(|number| row("ann", 7, &format!("told:{number:04}\0"), (1, 0))).collect();
        journal.add_usage(many.clone(), 0).await.unwrap();
        for _ in 0..3 {
            let rows = vec![row("ann", 6, "list", (2, 10)), row("bob", 6, "list", (1, 0))];
            journal.add_usage(rows, 0).await.unwrap();
        }
        let ann = journal.usage("ann", 0).await.unwrap();
        assert_eq!(ann[0], row("ann", 6, "list", (6, 30)));
        assert_eq!(ann[1..], many);
        assert_eq!(journal.usage("ann", 7).await.unwrap().len(), 1200);
        assert_eq!(journal.usage("bob", 0).await.unwrap(), [row("bob", 6, "list", (3, 0))]);
        assert_eq!(journal.usage("nobody", 0).await.unwrap(), []);
    }

    async fn old_days_are_forgotten_and_sums_end_somewhere(database) {
        let store = database.open().await;
        let journal = store.journal();
        for _ in 0..20 {
            let rows = vec![row("ann", 5, "list", (1, u64::MAX)), row("ann", 4, "list", (1, 1))];
            journal.add_usage(rows, 0).await.unwrap();
        }
        journal.add_usage(Vec::new(), 5).await.unwrap();
        let rows = journal.usage("ann", 0).await.unwrap();
        assert_eq!(rows, [row("ann", 5, "list", (20, 9_000_000_000_000_000_000))]);
    }
}
