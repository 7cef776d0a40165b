//! The table of promotions.

use std::time::{Duration, Instant};

use crate::{check::Lost, pair::Fault, traffic::History};

/// A promotion, with the times since the fault.
pub(crate) struct Promotion {
    pub(crate) fault: Fault,
    /// Until the manager noticed it.
    pub(crate) noticed: Duration,
    /// Until the standby was the primary.
    pub(crate) promoted: Duration,
    /// The longest time between two acknowledged saves.
    pub(crate) save_gap: Duration,
    /// The longest time between two successful logins.
    pub(crate) login_gap: Duration,
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    pub(crate) lost: Lost,
}

impl Promotion {
    /// A promotion after a fault at `start`. `times` are those until it was noticed and promoted.
    pub(crate) fn of(
        fault: Fault,
        times: [Duration; 2],
        start: Instant,
        history: &History,
        lost: Lost,
    ) -> Self {
        let [noticed, promoted] = times;
        let [acknowledged, refused, unknown] = history.counts();
        let (save_gap, login_gap) =
            (history.longest_save_gap(start), history.longest_login_gap(start));
        Self { fault, noticed, promoted, save_gap, login_gap, acknowledged, refused, unknown, lost }
    }
}

/// The promotions of a run.
pub(crate) struct Report {
    way: &'static str,
    promotions: Vec<Promotion>,
}

impl Report {
    pub(crate) fn new(way: &'static str) -> Self {
        Self { way, promotions: Vec::new() }
    }

    /// Adds a promotion, and prints it.
    pub(crate) fn add(&mut self, promotion: Promotion) {
        let Promotion { fault, noticed, promoted, save_gap, login_gap, .. } = &promotion;
        let Promotion { acknowledged, refused, unknown, lost, .. } = &promotion;
        println!(
            "{}, {}: noticed {noticed:.2?}, promoted {promoted:.2?}, longest gap {save_gap:.2?} of saves, \
             {login_gap:.2?} of logins; {acknowledged} acknowledged, {refused} refused, {unknown} \
             unknown, {lost:?}",
            self.way,
            fault.name(),
        );
        self.promotions.push(promotion);
    }

    /// Prints a row for each fault.
    pub(crate) fn print(&self) {
        println!(
            "| Connection | Fault | Promotions | Noticed after (s) | Promoted after (s) | Gap of saves (s) | \
             Gap of logins (s) | Acknowledged | Refused | Unknown | Lost |"
        );
        println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        for fault in Fault::ALL {
            let all: Vec<_> = self.promotions.iter().filter(|each| each.fault == fault).collect();
            if all.is_empty() {
                continue;
            }
            let times = |time: fn(&Promotion) -> Duration| {
                let mut times: Vec<_> = all.iter().map(|each| time(each).as_secs_f64()).collect();
                times.sort_unstable_by(f64::total_cmp);
                format!("{:.2}, {:.2}", times[times.len() / 2], times[times.len() - 1])
            };
            let sum = |number: fn(&Promotion) -> usize| {
                all.iter().map(|each| number(each)).sum::<usize>()
            };
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                self.way,
                fault.name(),
                all.len(),
                times(|each| each.noticed),
                times(|each| each.promoted),
                times(|each| each.save_gap),
                times(|each| each.login_gap),
                sum(|each| each.acknowledged),
                sum(|each| each.refused),
                sum(|each| each.unknown),
                sum(|each| each.lost.credentials + each.lost.saves),
            );
        }
    }

    pub(crate) fn assert_nothing_is_lost(&self) {
        for Promotion { fault, lost, .. } in &self.promotions {
            assert_eq!(lost, &Lost::default(), "{fault:?}");
        }
    }
}
