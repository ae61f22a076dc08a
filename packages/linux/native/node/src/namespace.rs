//! Network namespaces.

use std::path::{Path, PathBuf};

use heddle_linux_core::netns;
use napi::{Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::{
    error::to_js,
    job::{Job, job},
};

pub fn path(namespace: Option<String>) -> Option<PathBuf> {
    namespace.map(PathBuf::from)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Makes a named namespace; its path.
#[napi(ts_return_type = "Promise<string>")]
pub fn namespace_create(name: String) -> AsyncTask<Job<String>> {
    job(move || netns::create(&name).map(|path| text(&path)))
}

#[napi(ts_return_type = "Promise<void>")]
pub fn namespace_delete(name: String) -> AsyncTask<Job<()>> {
    job(move || netns::delete(&name))
}

#[napi(catch_unwind)]
pub fn namespace_list() -> Result<Vec<String>> {
    netns::list().map_err(to_js)
}

#[napi(catch_unwind)]
pub fn namespace_path(name: String) -> Result<String> {
    netns::path_of(&name).map(|path| text(&path)).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn namespace_exists(name: String) -> Result<bool> {
    netns::exists(&name).map_err(to_js)
}

#[napi(ts_return_type = "Promise<boolean>")]
pub fn namespace_has_link(path: String, link: String) -> AsyncTask<Job<bool>> {
    job(move || netns::has_link(Path::new(&path), &link))
}

/// Those of `indexes` that are no links of a namespace.
#[napi(ts_return_type = "Promise<Array<number>>")]
pub fn namespace_missing_links(path: Option<String>, indexes: Vec<u32>) -> AsyncTask<Job<Vec<u32>>> {
    job(move || netns::missing_links(path.as_deref().map(Path::new), indexes))
}

/// A file of `/proc/net` of a namespace, as the kernel prints it.
#[napi(ts_return_type = "Promise<string>")]
pub fn namespace_statistics(path: Option<String>, file: String) -> AsyncTask<Job<String>> {
    job(move || netns::statistics(path.as_deref().map(Path::new), &file))
}

/// Inode of the namespace at a path, or of the calling thread's.
#[napi(catch_unwind)]
pub fn namespace_identity(path: Option<String>) -> Result<f64> {
    netns::identity(path.as_deref().map(Path::new)).map(|inode| inode as f64).map_err(to_js)
}

/// As `namespaceIdentity` of each of `paths`; 0 where there is none.
#[napi(ts_return_type = "Promise<Array<number>>")]
pub fn namespace_identities(paths: Vec<String>) -> AsyncTask<Job<Vec<f64>>> {
    job(move || {
        let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
        Ok(netns::identities(&paths).into_iter().map(|inode| inode as f64).collect())
    })
}
