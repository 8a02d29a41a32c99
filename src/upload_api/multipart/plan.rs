//! How a file is cut into parts. Pure: sizes and a provider's limits in, a plan out.

use thiserror::Error;
use wharf_provider::Limits;

/// A smaller file needs no parts: S3 takes none below this but the last one.
const FILE_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// Parts of one size, but for the last, which is what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    file_bytes: u64,
    part_bytes: u64,
}

/// Why a file cannot be cut so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum PlanError {
    #[error("A file of less than {FILE_BYTES_MIN} bytes cannot be uploaded in parts.")]
    FileTooSmall,
    #[error("The provider stores files of up to {0} bytes.")]
    FileTooLarge(u64),
    #[error("`partSize` must be from {0} to {1} bytes, without a fraction.")]
    PartSize(u64, u64),
    #[error("With this `partSize` the file has {0} parts; an upload has at most {1}.")]
    TooManyParts(u64, u16),
}

impl Plan {
    /// Cuts a file into parts as large as `asked`, else into the smallest that are not too many.
    pub(super) fn new(file_bytes: u64, asked: Option<u64>, limits: &Limits) -> Result<Self, PlanError> {
        let (part_min, part_max) = (*limits.part_bytes.start(), *limits.part_bytes.end());
        let count_max = u64::from(limits.parts_max);
        if file_bytes < FILE_BYTES_MIN {
            return Err(PlanError::FileTooSmall);
        }
        let file_max = limits.object_bytes_max.min(part_max.saturating_mul(count_max));
        if file_bytes > file_max {
            return Err(PlanError::FileTooLarge(file_max));
        }
        if asked.is_some_and(|asked| !limits.part_bytes.contains(&asked)) {
            return Err(PlanError::PartSize(part_min, part_max));
        }
        // A part is never larger than the provider allows: the largest file has just as many of the largest.
        let smallest = || file_bytes.div_ceil(count_max).max(part_min).max(FILE_BYTES_MIN.min(part_max));
        let plan = Self { file_bytes, part_bytes: asked.unwrap_or_else(smallest).max(1) };
        let count = file_bytes.div_ceil(plan.part_bytes);
        if count > count_max {
            return Err(PlanError::TooManyParts(count, limits.parts_max));
        }
        Ok(plan)
    }

    /// The plan that an upload's id was sealed with.
    pub(super) fn sealed((file_bytes, part_bytes): (u64, u64)) -> Option<Self> {
        (part_bytes > 0).then_some(Self { file_bytes, part_bytes })
    }

    /// What is sealed of it.
    pub(super) fn to_be_sealed(self) -> (u64, u64) {
        (self.file_bytes, self.part_bytes)
    }

    /// The file's size.
    pub(crate) fn file_bytes(self) -> u64 {
        self.file_bytes
    }

    /// The size of all parts but the last.
    pub(crate) fn part_bytes(self) -> u64 {
        self.part_bytes
    }

    /// How many parts there are; they are numbered from 1.
    pub(crate) fn count(self) -> u16 {
        u16::try_from(self.file_bytes.div_ceil(self.part_bytes)).unwrap_or(u16::MAX)
    }

    /// The size of one part; `None` if there is no such part.
    pub(super) fn bytes_of(self, number: u16) -> Option<u64> {
        let before = u64::from(number.checked_sub(1)?).checked_mul(self.part_bytes)?;
        let rest = self.file_bytes.checked_sub(before).filter(|rest| *rest > 0)?;
        Some(rest.min(self.part_bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    const MIB: u64 = 1024 * 1024;
    const GIB: u64 = 1024 * MIB;

    fn limits() -> Limits {
        Limits {
            object_bytes_max: 10_000 * 5 * GIB,
            put_bytes_max: 5 * GIB,
            part_bytes: 5 * MIB..=5 * GIB,
            parts_max: 10_000,
            presign_seconds_max: 604_800,
            delete_batch_max: 1000,
        }
    }

    fn plan(file_bytes: u64, asked: Option<u64>) -> Result<(u64, u16), PlanError> {
        Plan::new(file_bytes, asked, &limits()).map(|plan| (plan.part_bytes(), plan.count()))
    }

    #[test]
    fn parts_are_as_asked_or_as_small_as_can_be() {
        let largest = 10_000 * 5 * GIB;
        for (file_bytes, asked, expected) in [
            (5 * MIB, None, Ok((5 * MIB, 1))),
            (5 * MIB + 1, None, Ok((5 * MIB, 2))),
            (50_000 * MIB, None, Ok((5 * MIB, 10_000))),
            (50_000 * MIB + 1, None, Ok((5 * MIB + 1, 10_000))),
            (largest, None, Ok((5 * GIB, 10_000))),
            (100 * MIB, Some(64 * MIB), Ok((64 * MIB, 2))),
            (5 * MIB, Some(5 * GIB), Ok((5 * GIB, 1))),
            (5 * MIB - 1, None, Err(PlanError::FileTooSmall)),
            (0, None, Err(PlanError::FileTooSmall)),
            (largest + 1, None, Err(PlanError::FileTooLarge(largest))),
            (u64::MAX, Some(5 * GIB), Err(PlanError::FileTooLarge(largest))),
            (50 * MIB, Some(5 * MIB - 1), Err(PlanError::PartSize(5 * MIB, 5 * GIB))),
            (50 * MIB, Some(0), Err(PlanError::PartSize(5 * MIB, 5 * GIB))),
            (50 * GIB, Some(5 * GIB + 1), Err(PlanError::PartSize(5 * MIB, 5 * GIB))),
            (50_000 * MIB + 1, Some(5 * MIB), Err(PlanError::TooManyParts(10_001, 10_000))),
        ] {
            assert_eq!(plan(file_bytes, asked), expected, "{file_bytes} {asked:?}");
        }
    }

    #[test]
    fn the_last_part_is_what_is_left() {
        let plan = Plan::new(12 * MIB, None, &limits()).unwrap();
        let sizes = [0, 1, 2, 3, 4].map(|number| plan.bytes_of(number));
        assert_eq!(sizes, [None, Some(5 * MIB), Some(5 * MIB), Some(2 * MIB), None]);
    }

    proptest! {
        #[test]
        fn whatever_is_planned_can_be_uploaded(
            file_bytes in 0..20_000 * 5 * GIB,
            asked in proptest::option::of(0..6 * GIB),
            object_bytes_max in 1..20_000 * 5 * GIB,
            smallest in 1..10 * MIB,
            largest in 5 * MIB..5 * GIB,
            parts_max in 1_u16..=10_000,
        ) {
            let limits =
                Limits { object_bytes_max, part_bytes: smallest..=largest.max(smallest), parts_max, ..limits() };
            if let Ok(plan) = Plan::new(file_bytes, asked, &limits) {
                prop_assert!(plan.count() >= 1 && plan.count() <= parts_max);
                prop_assert!(limits.part_bytes.contains(&plan.part_bytes()));
                let sizes = (1..=plan.count()).map(|number| plan.bytes_of(number).unwrap());
                let whole = sizes.clone().filter(|bytes| *bytes == plan.part_bytes()).count();
                prop_assert!(whole + 1 >= usize::from(plan.count()));
                prop_assert_eq!(sizes.sum::<u64>(), file_bytes);
                prop_assert_eq!(plan.bytes_of(plan.count() + 1), None);
                if asked.is_none() && plan.part_bytes() > smallest.max(FILE_BYTES_MIN) {
                    prop_assert!(file_bytes.div_ceil(plan.part_bytes() - 1) > u64::from(parts_max));
                }
            } else if asked.is_none() {
                let largest = object_bytes_max.min(limits.part_bytes.end() * u64::from(parts_max));
                prop_assert!(file_bytes < FILE_BYTES_MIN || file_bytes > largest);
            }
        }
    }
}
