//! How likely what goes wrong is, while one process runs.

use std::time::Duration;

use crate::rng::Rng;

/// Chances in a thousand, for each command or each operation of the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weather {
    pub throttled: u64,
    pub unavailable: u64,
    pub unreachable: u64,
    pub failed_after: u64,
    pub lost: u64,
    pub hung: u64,
    pub helm_dies: u64,
    pub repeated: u64,
    pub stale: u64,
    /// How old a stale answer is at most.
    pub lag: Duration,
    pub others: u64,
    pub disk_error: u64,
    pub disk_full: u64,
    pub sync_fails: u64,
    /// After so many commands the credentials are no longer good.
    pub expires_after: Option<u64>,
    /// After so many changing commands the run is told to stop.
    pub stops_after: Option<u64>,
}

impl Weather {
    pub fn calm() -> Self {
        Self::default()
    }

    pub fn is_calm(&self) -> bool {
        *self == Self::default()
    }

    /// Some days are calm, some bring one trouble, some several.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut weather = Self::default();
        let troubles = [0, 1, 1, 2, 4][rng.index(5)];
        for _ in 0..troubles {
            let strength = *rng.pick(&[15, 60, 200]);
            match rng.below(16) {
                0 => weather.throttled = strength,
                1 => weather.unavailable = strength,
                2 => weather.unreachable = strength,
                3 => weather.failed_after = strength,
                4 => weather.lost = strength,
                5 => weather.hung = strength / 3,
                6 => weather.helm_dies = 400,
                7 => weather.repeated = strength * 3,
                8 | 9 => {
                    weather.stale = *rng.pick(&[100, 500, 1000]);
                    weather.lag = Duration::from_secs(*rng.pick(&[1, 4, 10]));
                }
                10 => weather.others = strength / 4,
                11 => weather.disk_error = strength / 15,
                12 => weather.disk_full = strength / 15,
                13 => weather.sync_fails = strength / 8,
                14 => weather.expires_after = Some(rng.below(60)),
                _ => weather.stops_after = Some(rng.below(8)),
            }
        }
        weather
    }
}
