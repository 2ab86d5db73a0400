//! The command and the service killed in every step: the next command goes on, and nothing is lost or doubled.

use super::{Busy, STEPS, plain_shops};
use crate::shop::{BOUND, SITES};

#[tokio::test]
async fn a_command_killed_in_every_step_is_gone_on_with() {
    for (store, shop) in plain_shops() {
        println!("{store}");
        let mut busy = Busy::new(shop, 2);
        busy.write();
        let mut arguments = vec!["upgrade", "--to", "2", "--chunk-rows", "50"];
        for site in SITES {
            for step in STEPS {
                let mut running = busy.shop.command(&arguments).spawn();
                running.wait_for_line(&format!("{site}: {step},"), BOUND);
                running.kill();
                arguments = vec!["upgrade", "resume"];
                // The service dies in every other step, and another takes over.
                if step.len().is_multiple_of(2)
                    && let Some(service) = busy.service.take()
                {
                    service.kill();
                    busy.service = Some(busy.shop.serve(&SITES));
                }
            }
        }
        busy.shop.done(&arguments);
        busy.write();
        busy.is_right_at(2, "killed").await;
        busy.end();
    }
}
