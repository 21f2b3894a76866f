;; Rejected: an import from another module than `env`.
(module
  (import "wasi_snapshot_preview1" "caller" (func (result i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
