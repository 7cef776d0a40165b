//! Instances that are killed while they deliver.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::process::Signal;
use sqlx::PgPool;

use super::{Archive, assert_verified, wait_for_all};
use crate::support::{Instance, PLAIN, TestApp};

/// The number of kills: `AUDIT_STREAM_KILLS`, which the acceptance test sets, or few.
fn kills() -> usize {
    std::env::var("AUDIT_STREAM_KILLS").map_or(4, |number| number.parse().unwrap())
}

#[sqlx::test]
async fn kills_lose_and_reorder_nothing(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn(pool).await;
    app.stop().await;
    app.rewrite_settings(&archive.settings());
    for id in 500..504 {
        app.add_user((id, &format!("user-{id}")), &[]);
    }
    let administrator = app.administrator();
    let mut saved = 0;
    for number in 0..kills() {
        let instance = Instance::start(&app, &[]);
        let is_killed = AtomicBool::new(false);
        let load = async {
            let mut saved = 0;
            while !is_killed.load(Ordering::Relaxed) {
                let user = if saved % 5 == 4 { PLAIN.0 } else { 500 + saved % 5 };
                let status = instance.try_save(&administrator, user, &saved.to_string()).await;
                saved += i32::from(status.is_ok_and(|status| status == 200));
            }
            saved
        };
        // Kills hit different moments of a delivery.
        // It takes over from the one before within three seconds.
        let milliseconds = 3200 + 137 * (u64::try_from(number).unwrap() % 17);
        let kill = async {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            instance.server.signal(Signal::KILL);
            is_killed.store(true, Ordering::Relaxed);
        };
        let (saved_now, ()) = futures_util::future::join(load, kill).await;
        saved += saved_now;
        let _ = instance.server.wait();
    }
    assert!(saved > 0);
    app.start().await;
    let events = wait_for_all(&app, || archive.events()).await;
    assert!(events.len() > usize::try_from(saved).unwrap());
    assert_verified(&app, &archive.path).await;
}
