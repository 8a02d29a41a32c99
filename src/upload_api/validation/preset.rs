//! The presets of the published clients.

use crate::error::{Code, Error};

pub(super) const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Rules under one name, as the published clients know them.
pub(super) struct Preset {
    name: &'static str,
    pub(super) types: &'static [&'static str],
    pub(super) extensions: &'static [&'static str],
    pub(super) bytes_max: u64,
}

impl Preset {
    pub(super) const ANY: Self = Self { name: "any", types: &[], extensions: &[], bytes_max: u64::MAX };

    const ALL: &'static [Self] = &[
        Self {
            name: "images",
            types: &["image/*"],
            extensions: &[
                "jpg", "jpeg", "png", "gif", "webp", "bmp", "svg", "avif", "heic", "heif", "tif", "tiff",
            ],
            bytes_max: 50 * MIB,
        },
        Self {
            name: "documents",
            types: &[
                "application/pdf",
                "application/msword",
                "application/rtf",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                "application/vnd.oasis.opendocument.*",
                "application/vnd.openxmlformats-officedocument.*",
                "application/zip",
                "text/*",
            ],
            extensions: &[
                "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "txt", "csv",
                "md", "zip",
            ],
            bytes_max: 100 * MIB,
        },
        Self {
            name: "videos",
            types: &["video/*"],
            extensions: &["mp4", "webm", "avi", "mov", "mkv", "m4v", "ogv"],
            bytes_max: 2 * GIB,
        },
        Self {
            name: "audio",
            types: &["audio/*"],
            extensions: &["mp3", "wav", "ogg", "oga", "m4a", "aac", "flac", "opus"],
            bytes_max: 200 * MIB,
        },
        Self {
            name: "archives",
            types: &[
                "application/zip",
                "application/gzip",
                "application/x-tar",
                "application/zstd",
                "application/x-7z-compressed",
                "application/x-xz",
                "application/x-bzip2",
            ],
            extensions: &["zip", "gz", "tgz", "tar", "zst", "7z", "xz", "bz2"],
            bytes_max: 500 * MIB,
        },
        Self::ANY,
    ];

    pub(super) fn find(name: &str) -> Result<&'static Self, Error> {
        Self::ALL.iter().find(|preset| preset.name == name).ok_or_else(|| {
            Error::new(Code::InvalidField, "`validation` names no preset.")
                .options(Self::ALL.iter().map(|preset| preset.name))
        })
    }
}
