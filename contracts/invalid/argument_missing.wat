;; Rejected: no argument buffer `A`.
(module
  (memory (export "memory") 3)
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
