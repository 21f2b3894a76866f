//! P2: a call is atomic at every depth. It happens wholly or not at all, and a caught failure of a callee reverts exactly
//! the callee's subtree: memory, memory size, globals and events, of every contract in it, also of those whose outer
//! frames are suspended.

mod fixtures;

#[path = "atomicity/deploy.rs"]
mod deploy;
#[path = "atomicity/model.rs"]
mod model;
#[path = "atomicity/nested.rs"]
mod nested;
#[path = "atomicity/scene.rs"]
mod scene;
