;; Rejected: an instruction of wide arithmetic.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))
)
