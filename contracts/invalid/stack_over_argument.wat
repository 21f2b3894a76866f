;; Rejected: a shadow stack that overlaps the argument buffer by one byte.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (@custom "crostata.stack" "\00\00\00\00\00\00\00\00\01\00\01\00\00\00\00\00")
)
