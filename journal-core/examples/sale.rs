//! The smallest program that writes: one sale, durable and applied.

use journal_core::client::{Journal, Transaction};
use journal_core::model::Row;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let journal = Journal::open(&"sqlite:/var/lib/shop/till.db".parse()?, &"till".parse()?).await?;

    let sale = Transaction::new()
        .insert("sale", Row::new().with("sale_id", journal.next_id("sale").await?).with("item_id", 7))
        .add("item", Row::new().with("item_id", 7), Row::new().with("in_stock", -1));

    let receipt = journal.append(&sale).await?; // Durable here. Append `sale` again: the same receipt.
    let decision = receipt.applied().await?; // The site's ledger shows it, or says why it was rejected.
    println!("{decision:?}");
    Ok(())
}
