//! Files with passwords in them, which their user alone can read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes the file and its folders. It is never there half written, nor readable by others.
pub fn write(file: &Path, text: &[u8]) -> Result<(), String> {
    let describe = |error: std::io::Error| format!("{}: {error}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(describe)?;
    }
    let fresh = file.with_extension("new");
    fs::write(&fresh, "").map_err(describe)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600)).map_err(describe)?;
    fs::write(&fresh, text).map_err(describe)?;
    fs::rename(&fresh, file).map_err(describe)
}
