// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/context.h"

#include <asm/prctl.h>
#include <sys/auxv.h>

#include "tests/sim/raw_calls.h"

// rdi: where to put the stack pointer; rsi: the stack to go on with; rdx: its thread pointer; ecx: whether
// the processor sets that without the kernel. Between the two halves nothing may use thread-local variables,
// which a compiler cannot be told: so it is written out. Saved is what a call must keep.
asm(R"(
  .text
  .globl rowhouse_sim_switch
  .type rowhouse_sim_switch, @function
rowhouse_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  testl %ecx, %ecx
  je 1f
  wrfsbase %rdx
  jmp 2f
1:
  movl $158, %eax     # arch_prctl
  movl $0x1002, %edi  # ARCH_SET_FS
  movq %rdx, %rsi
  syscall
2:
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size rowhouse_sim_switch, .-rowhouse_sim_switch

  .globl rowhouse_sim_begin
  .type rowhouse_sim_begin, @function
rowhouse_sim_begin:
  .cfi_startproc
  .cfi_undefined rip  # a stack that is printed ends here
  movq %r12, %rdi
  callq *%r13
  ud2
  .cfi_endproc
  .size rowhouse_sim_begin, .-rowhouse_sim_begin
)");

extern "C" {
void rowhouse_sim_switch(void** save, void* stack, uint64_t thread_pointer, int without_kernel);
void rowhouse_sim_begin();
}

namespace rowhouse::sim {
namespace {

constexpr uint64_t kFsgsbase = 1 << 1;  // of AT_HWCAP2: programs may set the thread pointer themselves
constexpr uint32_t kUsualMxcsr = 0x1F80, kUsualControlWord = 0x037F;

bool WithoutKernel() {
  static const bool may = (getauxval(AT_HWCAP2) & kFsgsbase) != 0;
  return may;
}

}  // namespace

uint64_t ThreadPointer() {
  uint64_t pointer = 0;
  RawCall(SYS_arch_prctl, ARCH_GET_FS, reinterpret_cast<long>(&pointer));
  return pointer;
}

Context MakeContext(void* top, uint64_t thread_pointer, void (*entry)(void*), void* argument) {
  auto* word = static_cast<uint64_t*>(top);
  *--word = reinterpret_cast<uint64_t>(&rowhouse_sim_begin);
  *--word = 0;                                     // rbp
  *--word = 0;                                     // rbx
  *--word = reinterpret_cast<uint64_t>(argument);  // r12
  *--word = reinterpret_cast<uint64_t>(entry);     // r13
  *--word = 0;                                     // r14
  *--word = 0;                                     // r15
  *--word = uint64_t{kUsualControlWord} << 32 | kUsualMxcsr;
  return {.stack = word, .thread_pointer = thread_pointer};
}

void SwitchContext(Context* from, const Context& to) {
  rowhouse_sim_switch(&from->stack, to.stack, to.thread_pointer, WithoutKernel() ? 1 : 0);
}

}  // namespace rowhouse::sim
