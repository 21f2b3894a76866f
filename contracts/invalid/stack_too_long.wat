;; Rejected: a shadow stack of more than 1 MiB.
(module
  (memory (export "memory") 64)
  (global (export "A") i32 (i32.const 2097152))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (@custom "crostata.stack" "\00\00\00\00\00\00\00\00\01\00\10\00\00\00\00\00")
)
