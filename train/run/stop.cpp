#include "train/run/stop.h"

#include <atomic>
#include <csignal>

#include <unistd.h>

#include "core/error.h"

namespace krait {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "used in a signal handler");

extern "C" void on_stop_signal(int) {
  if (requested.exchange(true)) _exit(exit_code(ErrorKind::Stopped));
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

bool stop_requested() {
  return requested.load();
}
void request_stop(bool stop) {
  requested.store(stop);
}

}  // namespace krait
