;; Accepted: the least that a contract can be. Every module in `invalid` differs from this one by what its first line says.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
