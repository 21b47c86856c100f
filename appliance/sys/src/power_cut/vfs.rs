//! The pass-through VFS. SQLite's C interface makes this unsafe: it calls us with raw pointers that it promises to keep
//! valid, and we call the real VFS with the pointers it promises to understand. <https://www.sqlite.org/vfs.html>
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::size_of;
use std::ptr;

use rusqlite::ffi::{
    SQLITE_IOERR, SQLITE_OK, sqlite3_file, sqlite3_filename, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs,
    sqlite3_vfs_find, sqlite3_vfs_register,
};

use super::Recorder;
use super::disk::Operation;

/// What hangs behind `sqlite3_vfs::pAppData`. Leaked on purpose: SQLite may use a registered VFS until the process ends.
struct Shared {
    real: *mut sqlite3_vfs,
    recorder: Recorder,
}

/// Our file; the real VFS's file object follows directly after it in the same allocation (`szOsFile` counts both).
#[repr(C)]
struct File {
    base: sqlite3_file,
    shared: *const Shared,
    /// Name without folder; null for SQLite's temporary files, which no power cut concerns. Freed in `close`.
    name: *mut String,
}

pub(super) fn register(name: &str, recorder: Recorder) -> Result<(), String> {
    let name = CString::new(name).map_err(|_| "the VFS name holds a zero byte".to_owned())?;
    // SAFETY: a null name asks for the default VFS; SQLite initialises itself if needed.
    let real = unsafe { sqlite3_vfs_find(ptr::null()) };
    if real.is_null() {
        return Err("SQLite has no default VFS".to_owned());
    }
    // SAFETY: `real` was just found and stays registered for the life of the process.
    let model = unsafe { &*real };
    let shared = Box::leak(Box::new(Shared { real, recorder }));
    let vfs = sqlite3_vfs {
        iVersion: 2,
        szOsFile: model.szOsFile + size_of::<File>() as c_int,
        mxPathname: model.mxPathname,
        pNext: ptr::null_mut(),
        zName: name.into_raw(), // leaked with the VFS
        pAppData: ptr::from_mut(shared).cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(get_last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    };
    // SAFETY: the leaked structure lives as long as the process, as SQLite demands.
    let code = unsafe { sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) };
    if code == SQLITE_OK { Ok(()) } else { Err(format!("SQLite refuses the VFS (code {code})")) }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2, // with shared memory for WAL, without memory mapping, whose writes could not be seen
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `vfs` is the structure made in [`register`].
unsafe fn shared(vfs: *mut sqlite3_vfs) -> &'static Shared {
    // SAFETY: `pAppData` was set to a leaked `Shared` in `register` and never changed.
    unsafe { &*(*vfs).pAppData.cast::<Shared>() }
}

/// The real file behind ours.
///
/// # Safety
/// `file` was opened by [`open`].
unsafe fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: SQLite allocated `szOsFile` bytes: our `File` and the real one directly behind it.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// # Safety
/// `file` was opened by [`open`].
unsafe fn note(file: *mut sqlite3_file, operation: impl FnOnce(String) -> Operation) {
    // SAFETY: `open` filled the structure; `name` is null or a live box until `close`.
    let file = unsafe { &*file.cast::<File>() };
    if !file.name.is_null() {
        // SAFETY: see above.
        let name = unsafe { (*file.name).clone() };
        // SAFETY: `shared` is leaked.
        unsafe { (*file.shared).recorder.note(operation(name)) };
    }
}

fn name_of(path: *const c_char) -> Option<String> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite passes a zero-terminated path or null.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    path.rsplit('/').next().map(str::to_owned)
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our VFS and a block of `szOsFile` bytes for the file.
    unsafe {
        let shared = shared(vfs);
        let ours = file.cast::<File>();
        (*ours).base.pMethods = ptr::null(); // SQLite closes a file whose open failed only if this is set
        let Some(real_open) = (*shared.real).xOpen else { return SQLITE_IOERR };
        let code = real_open(shared.real, path, real(file), flags, out);
        if !(*real(file)).pMethods.is_null() {
            (*ours).shared = shared;
            (*ours).name = name_of(path).map_or(ptr::null_mut(), |name| Box::into_raw(Box::new(name)));
            (*ours).base.pMethods = &raw const METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite calls with our VFS and a valid path.
    unsafe {
        let shared = shared(vfs);
        let Some(real_delete) = (*shared.real).xDelete else { return SQLITE_IOERR };
        let code = real_delete(shared.real, path, sync_folder);
        if code == SQLITE_OK
            && let Some(file) = name_of(path)
        {
            shared.recorder.note(Operation::Delete { file, durable: sync_folder != 0 });
        }
        code
    }
}

/// Calls one method of the real file, or answers an I/O error where the real VFS lacks it.
macro_rules! real_method {
    ($file:ident, $method:ident ( $($argument:expr),* )) => {{
        // SAFETY: `$file` was opened by `open`, so the real file and its methods are valid; the arguments are SQLite's own.
        unsafe {
            let real = real($file);
            match (*(*real).pMethods).$method {
                Some(method) => method(real $(, $argument)*),
                None => SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = real_method!(file, xClose());
    // SAFETY: `open` made the box; SQLite closes a file once.
    unsafe {
        let ours = file.cast::<File>();
        if !(*ours).name.is_null() {
            drop(Box::from_raw((*ours).name));
            (*ours).name = ptr::null_mut();
        }
    }
    code
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int {
    real_method!(file, xRead(to, amount, offset))
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let code = real_method!(file, xWrite(from, amount, offset));
    if code == SQLITE_OK {
        // SAFETY: SQLite promises `amount` readable bytes at `from`.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), amount.unsigned_abs() as usize) }.to_vec();
        // SAFETY: the file is ours.
        unsafe { note(file, |file| Operation::Write { file, offset: offset.unsigned_abs(), bytes }) };
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    let code = real_method!(file, xTruncate(length));
    if code == SQLITE_OK {
        // SAFETY: the file is ours.
        unsafe { note(file, |file| Operation::Truncate { file, length: length.unsigned_abs() }) };
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    let code = real_method!(file, xSync(flags));
    if code == SQLITE_OK {
        // SAFETY: the file is ours.
        unsafe { note(file, |file| Operation::Sync { file }) };
    }
    code
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    real_method!(file, xFileSize(size))
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    real_method!(file, xLock(level))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    real_method!(file, xUnlock(level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    real_method!(file, xCheckReservedLock(out))
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    real_method!(file, xFileControl(operation, argument))
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    real_method!(file, xSectorSize())
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    real_method!(file, xDeviceCharacteristics())
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    real_method!(file, xShmMap(page, size, extend, out))
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    real_method!(file, xShmLock(offset, count, flags))
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: as in `real_method`; this one returns nothing.
    unsafe {
        let real = real(file);
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    real_method!(file, xShmUnmap(delete))
}

/// Calls one method of the real VFS.
macro_rules! real_vfs {
    ($vfs:ident, $method:ident ( $($argument:expr),* )) => {{
        // SAFETY: `$vfs` is ours; the real one stays registered; the arguments are SQLite's own.
        unsafe {
            let real = shared($vfs).real;
            match (*real).$method {
                Some(method) => method(real $(, $argument)*),
                None => SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn access(vfs: *mut sqlite3_vfs, path: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    real_vfs!(vfs, xAccess(path, flags, out))
}

unsafe extern "C" fn full_pathname(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    real_vfs!(vfs, xFullPathname(path, length, out))
}

unsafe extern "C" fn randomness(vfs: *mut sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    real_vfs!(vfs, xRandomness(length, out))
}

unsafe extern "C" fn sleep(vfs: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    real_vfs!(vfs, xSleep(microseconds))
}

unsafe extern "C" fn current_time(vfs: *mut sqlite3_vfs, out: *mut f64) -> c_int {
    real_vfs!(vfs, xCurrentTime(out))
}

unsafe extern "C" fn get_last_error(vfs: *mut sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    real_vfs!(vfs, xGetLastError(length, out))
}

unsafe extern "C" fn current_time_int64(vfs: *mut sqlite3_vfs, out: *mut sqlite3_int64) -> c_int {
    real_vfs!(vfs, xCurrentTimeInt64(out))
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::*;

    #[test]
    fn a_database_works_through_it_and_its_syncs_are_seen() {
        let recorder = Recorder::register("power-cut-vfs-test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let flags = OpenFlags::default();
        let database =
            Connection::open_with_flags_and_vfs(folder.path().join("t.db"), flags, c"power-cut-vfs-test").unwrap();
        database
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(x); INSERT INTO t VALUES(1);",
            )
            .unwrap();
        recorder.acknowledge(1);
        let after = recorder.len();
        database.execute_batch("INSERT INTO t VALUES(2);").unwrap();
        for seed in 0..20 {
            let image = tempfile::tempdir().unwrap();
            assert_eq!(recorder.cut(after, seed, image.path()).unwrap(), vec![1]);
            let reopened = Connection::open(image.path().join("t.db")).unwrap();
            let count: i64 = reopened.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(count, 1, "seed {seed}");
        }
    }
}
