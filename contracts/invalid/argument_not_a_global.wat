;; Rejected: `A` that is not a global.
(module
  (memory (export "memory") 3)
  (func (export "A") (param i32) (result i32) (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
