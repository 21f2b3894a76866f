;; Rejected: an instruction of SIMD.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (func (result v128) (v128.const i64x2 0 0))
)
