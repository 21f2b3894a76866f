;; Rejected: an exported function with a result of 64 bits.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i64) (i64.const 0))
)
