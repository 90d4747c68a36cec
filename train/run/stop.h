// Stopping a run from outside.
#pragma once

namespace krait {

/// Makes SIGINT, SIGTERM and SIGUSR1 ask for a stop: the trainer finishes its step, writes a
/// checkpoint and ends with exit code 75. A second signal ends the process at once.
void install_stop_handlers();
/// Whether a stop was asked for.
bool stop_requested();
/// Asks for a stop, or withdraws the request (for tests).
void request_stop(bool stop = true);

}  // namespace krait
