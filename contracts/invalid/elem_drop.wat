;; Rejected: `elem.drop`.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (table 2 funcref)
  (elem $now (i32.const 0) func 0)
  (func (elem.drop $now))
)
