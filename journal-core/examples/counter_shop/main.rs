//! A shop's till, writing through the journal of its site.
//!
//! First make a site (in SQLite, in a file) and run it, from the root of the repository:
//!
//! ```text
//! daybook --config /tmp/shop.toml init --group shop --schema $PWD/journal-core/examples/counter_shop/schema \
//!         --site till=sqlite:/tmp/till.db
//! daybook --config /tmp/shop.toml run
//! ```
//!
//! (`daybook` is `cargo run --release --bin daybook --`.) Then, as often as you like, and also while the site is paused:
//!
//! ```text
//! cargo run -p journal-core --example counter_shop -- sqlite:/tmp/till.db till
//! ```

use std::error::Error;
use std::time::Duration;

use journal_core::client::{Decision, Journal, Receipt, Transaction};
use journal_core::model::{Row, SiteName, Value};
use journal_core::sql::DbUrl;

/// How long the till waits for the ledger before it goes on; the sale is safe in the journal either way.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(site)) = (arguments.next(), arguments.next()) else {
        return Err("give the site's database and its name: counter_shop sqlite:/tmp/till.db till".into());
    };
    let (url, site): (DbUrl, SiteName) = (url.parse()?, site.parse()?);
    let journal = Journal::builder(&url, &site).author("till 1").open().await?;

    // Durable when it returns. The ledger decides on it a moment later.
    let pear = journal.next_id("item").await?;
    let stocked = Transaction::new().insert("item", item(pear, "pear", 20));
    report("stock 20 pears", &journal.append(&stocked).await?).await?;

    // Had the answer been lost, the same transaction again would give the same receipt.
    let again = journal.append(&stocked).await?;
    println!("append it again: {} (repeated: {})", again.id(), again.repeated());

    // A pipeline: numbered in this order, durable together in few commits. Each sale and what it takes out of stock
    // become visible together.
    let mut pending = Vec::new();
    for quantity in 1..=5 {
        pending.push(journal.send(&sale(journal.next_id("sale").await?, pear, quantity)).await?);
    }
    for pending in pending {
        report("sell pears", &pending.durable().await?).await?;
    }

    // What breaks a rule of the ledger is rejected, whole, and says so.
    let nothing = sale(journal.next_id("sale").await?, -1, 1);
    report("sell what is not there", &journal.append(&nothing).await?).await?;

    // What does not fit the schema never leaves the till.
    let typo = Transaction::new().insert("itm", item(0, "fig", 1));
    match journal.append(&typo).await {
        Ok(receipt) => println!("a table of that name has appeared: {}", receipt.id()),
        Err(failure) => println!("a typo: {failure}"),
    }
    journal.close().await;
    Ok(())
}

fn item(item_id: i64, name: &str, in_stock: i64) -> Row {
    Row::new().with("item_id", item_id).with("name", name).with("in_stock", in_stock)
}

fn sale(sale_id: i64, item_id: i64, quantity: i64) -> Transaction {
    // The till's clock says when it sold; nothing is ordered by it.
    #[expect(clippy::disallowed_methods, reason = "this is the application's own time, a value like others")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let sold_at = Value::Timestamp(i64::try_from(now.as_micros()).unwrap_or_default());
    let sold = Row::new()
        .with("sale_id", sale_id)
        .with("item_id", item_id)
        .with("quantity", quantity)
        .with("sold_at", sold_at);
    // Added to what stands there, not set: two tills that sell at once both count.
    let key = Row::new().with("item_id", item_id);
    Transaction::new().insert("sale", sold).add("item", key, Row::new().with("in_stock", -quantity))
}

/// Waits for the ledger's decision, but not for ever: a paused site decides when it resumes.
async fn report(what: &str, receipt: &Receipt) -> Result<(), Box<dyn Error>> {
    match tokio::time::timeout(PATIENCE, receipt.applied()).await {
        Ok(decision) => match decision? {
            Decision::Applied { seal_nr } => println!("{what}: {} applied, seal {seal_nr}", receipt.id()),
            Decision::Rejected { code, detail } => {
                println!("{what}: {} rejected, {code}: {detail}", receipt.id())
            }
        },
        Err(_elapsed) => match receipt.state().await?.paused {
            Some(pause) => {
                println!("{what}: {} waits, {} paused the site: {}", receipt.id(), pause.who, pause.why)
            }
            None => println!("{what}: {} is durable and waits; is the site being run?", receipt.id()),
        },
    }
    Ok(())
}
