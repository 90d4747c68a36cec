#include "core/stream/graph.h"

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"

namespace krait::cuda {
namespace {

cudaStream_t handle(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

}  // namespace

void begin_recording(const Stream& stream) {
  // Calls that may not be recorded (a wait, an allocation) fail, but only in this thread.
  KRAIT_CUDA_CHECK(cudaStreamBeginCapture(handle(stream), cudaStreamCaptureModeThreadLocal));
}

void* end_recording(const Stream& stream) {
  cudaGraph_t graph = nullptr;
  KRAIT_CUDA_CHECK(cudaStreamEndCapture(handle(stream), &graph));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  KRAIT_CUDA_CHECK(status);
  return executable;
}

void cancel_recording(const Stream& stream) noexcept {
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(handle(stream), &graph) == cudaSuccess) cudaGraphDestroy(graph);
  cudaGetLastError();  // an invalidated capture leaves its error behind
}

void launch_graph(void* graph, const Stream& stream) {
  KRAIT_CUDA_CHECK(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), handle(stream)));
}

void destroy_graph(void* graph) noexcept {
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
  cudaGetLastError();
}

}  // namespace krait::cuda
