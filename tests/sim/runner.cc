// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/runner.h"

#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/base/internal/sysinfo.h"
#include "absl/synchronization/mutex.h"
#include "common/logging.h"
#include "tests/sim/plan.h"
#include "tests/sim/planted_bug.h"
#include "tests/sim/raw_calls.h"
#include "tests/sim/scheduler_programs.h"
#include "tests/sim/seed_run.h"

namespace rowhouse::sim {
namespace {

constexpr char kAsked[] = "--simulate";
constexpr int kSharedFile = 100;  // number of the shared memory's file in the process that is started
constexpr int kTraceFile = 101;
constexpr int kMostCpuSeconds = 30, kMostSeconds = 600;  // of one seed, before it counts as hanging

// What the two processes share.
struct Shared {
  RunRequest request;
  Outcome outcomes[];
};

size_t BytesFor(uint64_t seeds) { return sizeof(Shared) + seeds * sizeof(Outcome); }

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

// ---- the process that forks

void SetHandler(int signal, void (*handler)(int)) {
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(signal, &action, nullptr);
}

void SetLimit(int which, int signal, int seconds) {
  SetHandler(signal, [](int) { Fail("it takes too long"); });
  itimerval timer = {};
  timer.it_value.tv_sec = seconds;
  setitimer(static_cast<__itimer_which_t>(which), &timer, nullptr);
}

// Whatever is measured or drawn once in a process, before it could differ from seed to seed.
void Settle() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);  // threads that take turns are fastest on one processor
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  absl::base_internal::NominalCPUFrequency();                           // Abseil measures it with the clock
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as the rowhouse program does
}

[[noreturn]] void RunOne(Shared* shared, uint64_t i) {
  const RunRequest& request = shared->request;
  SetCurrentOutcome(&shared->outcomes[i]);
  SetHandler(SIGSEGV, [](int) { Fail("a bad address was used"); });
  SetHandler(SIGABRT, [](int) { Fail("aborted"); });
  SetLimit(ITIMER_PROF, SIGPROF, kMostCpuSeconds);
  SetLimit(ITIMER_REAL, SIGALRM, kMostSeconds);
  Plan plan = MakePlan(request.first_seed + i, request.operations);
  plan.planted = request.planted;
  plan.scheduler.trace_file = request.trace_file;
  if (request.with_logs) {
    InitLogging("info", "text");
    const std::string text = Describe(plan) + "\n";
    if (write(2, text.data(), text.size()) < 0) Die("write");
  } else {
    for (std::atomic<int>& level : logging_internal::levels) level = spdlog::level::off;
  }
  if (request.program != 0) {
    RunSchedulerProgram(request.program, plan.scheduler);
  } else {
    Begin(plan.scheduler);
    RunSeed(plan);
  }
  RawCall(SYS_exit_group, 0);
  __builtin_unreachable();
}

void NoteEnd(Outcome* outcome, int status) {
  if (outcome->finished || outcome->error[0] != 0) return;
  if (WIFSIGNALED(status)) {
    std::snprintf(outcome->error, sizeof(outcome->error), "ended by signal %d", WTERMSIG(status));
  } else {
    std::snprintf(outcome->error, sizeof(outcome->error), "ended midway; stderr says why");
  }
}

[[noreturn]] void ForkForEach() {
  Settle();
  Shared* const head =
      static_cast<Shared*>(mmap(nullptr, sizeof(Shared), PROT_READ, MAP_SHARED, kSharedFile, 0));
  if (head == MAP_FAILED) Die("mmap");
  const uint64_t seeds = head->request.seeds;
  void* const all = mmap(nullptr, BytesFor(seeds), PROT_READ | PROT_WRITE, MAP_SHARED, kSharedFile, 0);
  if (all == MAP_FAILED) Die("mmap");
  Shared* const shared = static_cast<Shared*>(all);
  for (uint64_t i = 0; i < seeds; ++i) {
    const pid_t child = fork();
    if (child < 0) Die("fork");
    if (child == 0) RunOne(shared, i);
    int status = 0;
    if (waitpid(child, &status, 0) != child) Die("waitpid");
    NoteEnd(&shared->outcomes[i], status);
    if (shared->request.stop_at_failure && shared->outcomes[i].error[0] != 0) break;
  }
  std::_Exit(0);
}

// ---- the process that asks

[[noreturn]] void StartAgain(int shared_file, int trace_file) {
  if (dup2(shared_file, kSharedFile) < 0 || (trace_file >= 0 && dup2(trace_file, kTraceFile) < 0))
    Die("dup2");
  if (personality(ADDR_NO_RANDOMIZE) < 0)
    std::fprintf(stderr, "addresses are random here: runs may differ\n");
  char name[] = "simulation", asked[] = "--simulate";
  char* arguments[] = {name, asked, nullptr};
  char* environment[] = {nullptr};
  execve("/proc/self/exe", arguments, environment);
  Die("execve");
}

}  // namespace

std::vector<Outcome> RunSeeds(const RunRequest& request) {
  const size_t bytes = BytesFor(request.seeds);
  const int file = memfd_create("simulation", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) Die("memfd_create");
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) Die("mmap");
  Shared* const shared = static_cast<Shared*>(memory);
  shared->request = request;
  if (request.trace_file >= 0) shared->request.trace_file = kTraceFile;
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) StartAgain(file, request.trace_file);
  int status = 0;
  if (waitpid(child, &status, 0) != child) Die("waitpid");
  std::vector<Outcome> outcomes(shared->outcomes, shared->outcomes + request.seeds);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    std::snprintf(outcomes[0].error, sizeof(outcomes[0].error), "the simulation's process has failed");
  munmap(memory, bytes);
  close(file);
  return outcomes;
}

void BecomeSimulation(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], kAsked) == 0) ForkForEach();
}

}  // namespace rowhouse::sim
