#include "train/run/snapshot.h"

#include "core/tensor/readback.h"

namespace krait {
namespace {

std::vector<NamedTensor> copy_to_host(const std::vector<NamedTensor>& tensors, Device device,
                                      const Stream& stream) {
  std::vector<NamedTensor> copies;
  for (const NamedTensor& t : tensors) {
    KRAIT_REQUIRE(t.tensor.device() == device,
                  "[take_snapshot] the tensors must be on one device, ", "got '", t.name, "' on ",
                  t.tensor.device(), " and others on ", device, ".");
    copies.push_back({t.name, copy_to_host(t.tensor, stream)});
  }
  return copies;
}

}  // namespace

Snapshot::~Snapshot() {
  try {
    if (copied_) copied_->synchronize();
  } catch (const Error&) {  // the device failed, which others report
  }
}

const CheckpointTensors& Snapshot::tensors() const {
  copied_->synchronize();
  return tensors_;
}

Snapshot take_snapshot(const CheckpointTensors& tensors) {
  const Device device =
      tensors.parameters.empty() ? Device{} : tensors.parameters.front().tensor.device();
  const Stream compute = device_stream(device), copies = device_stream(device, StreamKind::Copy);
  Snapshot snapshot(device);
  snapshot.copied_->record(compute);  // used twice: first for the work that makes the values
  snapshot.copied_->block(copies);
  const auto copy = [&](const std::vector<NamedTensor>& some) {
    return copy_to_host(some, device, copies);
  };
  snapshot.tensors_ = {.parameters = copy(tensors.parameters),
                       .first_moment = copy(tensors.first_moment),
                       .second_moment = copy(tensors.second_moment),
                       .average = copy(tensors.average)};
  snapshot.copied_->record(copies);
  snapshot.copied_->block(compute);
  return snapshot;
}

}  // namespace krait
