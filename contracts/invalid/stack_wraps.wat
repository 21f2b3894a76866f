;; Rejected: a shadow stack whose end is not a 64-bit number.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (@custom "crostata.stack" "\ff\ff\ff\ff\ff\ff\ff\ff\02\00\00\00\00\00\00\00")
)
