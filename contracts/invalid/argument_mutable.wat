;; Rejected: an argument buffer `A` that can move.
(module
  (memory (export "memory") 3)
  (global (export "A") (mut i32) (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
