;; Rejected: an atomic instruction.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))
)
