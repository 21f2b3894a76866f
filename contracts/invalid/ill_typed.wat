;; Rejected: a function that is no valid WebAssembly.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (func (result i32) (i64.const 0))
)
