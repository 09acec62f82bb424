//! When a failed delivery is attempted again, as Standard Webhooks recommends.

use std::time::Duration;

use crate::clock::{DAY, Millis};

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// The pauses after each failed attempt: three days in all.
const PAUSES: [Millis; 9] =
    [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, DAY];

/// The longest pause that a receiver can ask for.
const LONGEST: Millis = DAY;

/// The pause after so many failed attempts, and up to a fifth more by chance, so that receivers are not met by all senders at
/// once. A receiver can ask for a longer one. `None` after the last attempt.
pub(super) fn pause(failed: u64, random: u16, asked: Option<Duration>) -> Option<Millis> {
    let place = usize::try_from(failed.checked_sub(1)?).ok()?;
    let pause = *PAUSES.get(place)?;
    let more = pause * Millis::from(random) / (5 * Millis::from(u16::MAX));
    let asked = asked.map_or(0, |asked| Millis::try_from(asked.as_millis()).unwrap_or(LONGEST).min(LONGEST));
    Some((pause + more).max(asked))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_attempts_in_about_three_days() {
        let pauses: Vec<Millis> = (1..).map_while(|failed| pause(failed, 0, None)).collect();
        assert_eq!(pauses, PAUSES);
        // 75:35:05 after the first attempt.
        assert_eq!(pauses.iter().sum::<Millis>(), 75 * HOUR + 35 * MINUTE + 5 * SECOND);
        assert_eq!(pause(0, 0, None), None);
    }

    proptest! {
        #[test]
        fn chance_and_the_receiver_only_make_pauses_longer(failed in 1_u64..=9, random: u16, asked: Option<u64>) {
            let plain = pause(failed, 0, None).unwrap();
            let asked = asked.map(Duration::from_secs);
            let found = pause(failed, random, asked).unwrap();
            prop_assert!(found >= plain);
            prop_assert!(found <= (plain + plain / 5).max(LONGEST));
            if let Some(asked) = asked {
                prop_assert!(found >= asked.as_millis().min(LONGEST as u128) as Millis);
            } else {
                prop_assert!(found <= plain + plain / 5);
            }
        }

        #[test]
        fn pauses_grow_whatever_chance_says(failed in 1_u64..=8, one: u16, other: u16) {
            prop_assert!(pause(failed, one, None).unwrap() <= pause(failed + 1, other, None).unwrap());
        }

        #[test]
        fn no_attempt_follows_the_tenth(failed in 10_u64.., random: u16) {
            prop_assert_eq!(pause(failed, random, Some(Duration::from_secs(1))), None);
        }
    }
}
