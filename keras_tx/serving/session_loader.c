/* Runs an export the way TensorFlow Serving does, without any Python.
 *
 * TensorFlow's C++ session loader behind its C API, tag "serve", XLA switched off, and the
 * operations of TensorFlow and of the libraries that the request names. `session_loader.py`
 * builds it and speaks with it.
 *
 * All numbers are little-endian; a "string" is a 32-bit length and that many bytes.
 *
 * Standard input: the number of libraries and their paths; the export's directory; the number
 * of runs. A run is its number of inputs, each with its operation's name, its place among the
 * operation's outputs, and a number of strings; and its number of outputs, each with an
 * operation's name and a place.
 *
 * Standard output: the serialized OpList and KernelList of what there is, as strings; a string
 * that says what went wrong with the loading (empty: nothing); and for each run such a string
 * and its outputs: the number of the dtype, the number of dimensions, 64-bit dimensions, then
 * the strings, or one string with the bytes. After something went wrong there is no more.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

/* tensorflow::DisableXlaCompilation(), which has no name in the C API. */
void _ZN10tensorflow21DisableXlaCompilationEv(void);

static void give_up(const char* reason) {
  fprintf(stderr, "session_loader: %s\n", reason);
  exit(2);
}

static void* reserve(size_t count, size_t size) {
  void* memory = calloc(count ? count : 1, size);
  if (!memory) give_up("expected enough memory");
  return memory;
}

/* The request. */

static void read_bytes(void* bytes, size_t size) {
  if (size && fread(bytes, 1, size, stdin) != size) give_up("expected a longer request");
}

static uint32_t read_number(void) {
  unsigned char bytes[4];
  read_bytes(bytes, 4);
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* A zero follows the bytes, so that they can be a C string too. */
static char* read_string(uint32_t* size) {
  uint32_t length = read_number();
  char* bytes = reserve((size_t)length + 1, 1);
  read_bytes(bytes, length);
  if (size) *size = length;
  return bytes;
}

static TF_Tensor* read_texts(void) {
  int64_t count = read_number();
  TF_Tensor* tensor = TF_AllocateTensor(TF_STRING, &count, 1, count * sizeof(TF_TString));
  if (!tensor) give_up("expected enough memory");
  TF_TString* texts = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    uint32_t size;
    char* text = read_string(&size);
    TF_StringInit(&texts[i]);
    TF_StringCopy(&texts[i], text, size);
    free(text);
  }
  return tensor;
}

static TF_Output read_place(TF_Graph* graph) {
  char* name = read_string(NULL);
  TF_Output place = {TF_GraphOperationByName(graph, name), (int)read_number()};
  if (!place.oper) {
    fprintf(stderr, "session_loader: expected an operation %s in the graph\n", name);
    exit(2);
  }
  free(name);
  return place;
}

/* The answer. */

static void write_bytes(const void* bytes, size_t size) {
  if (size && fwrite(bytes, 1, size, stdout) != size) give_up("expected a reader");
}

static void write_number(uint64_t number, int size) {
  unsigned char bytes[8];
  for (int i = 0; i < size; ++i) bytes[i] = number >> (8 * i) & 255;
  write_bytes(bytes, size);
}

static void write_string(const void* bytes, size_t size) {
  if (size > UINT32_MAX) give_up("expected outputs of less than 4 GiB");
  write_number(size, 4);
  write_bytes(bytes, size);
}

/* What went wrong, if anything; then there is nothing more to do. */
static void write_status(const TF_Status* status) {
  const char* message = TF_GetCode(status) == TF_OK ? "" : TF_Message(status);
  if (TF_GetCode(status) != TF_OK && !*message) message = "an error without a message";
  write_string(message, strlen(message));
  if (*message) {
    fflush(stdout);
    exit(0);
  }
}

static void write_tensor(const TF_Tensor* tensor) {
  write_number(TF_TensorType(tensor), 4);
  write_number(TF_NumDims(tensor), 4);
  for (int i = 0; i < TF_NumDims(tensor); ++i) write_number(TF_Dim(tensor, i), 8);
  if (TF_TensorType(tensor) != TF_STRING) {
    write_string(TF_TensorData(tensor), TF_TensorByteSize(tensor));
    return;
  }
  const TF_TString* texts = TF_TensorData(tensor);
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); ++i)
    write_string(TF_StringGetDataPointer(&texts[i]), TF_StringGetSize(&texts[i]));
}

static void run(TF_Session* session, TF_Graph* graph, TF_Status* status) {
  uint32_t given = read_number();
  TF_Output* places = reserve(given, sizeof(TF_Output));
  TF_Tensor** texts = reserve(given, sizeof(TF_Tensor*));
  for (uint32_t i = 0; i < given; ++i) {
    places[i] = read_place(graph);
    texts[i] = read_texts();
  }
  uint32_t wanted = read_number();
  TF_Output* fetches = reserve(wanted, sizeof(TF_Output));
  TF_Tensor** found = reserve(wanted, sizeof(TF_Tensor*));
  for (uint32_t i = 0; i < wanted; ++i) fetches[i] = read_place(graph);

  TF_SessionRun(session, NULL, places, texts, (int)given, fetches, found, (int)wanted, NULL, 0,
                NULL, status);
  write_status(status);
  for (uint32_t i = 0; i < wanted; ++i) {
    write_tensor(found[i]);
    TF_DeleteTensor(found[i]);
  }
  for (uint32_t i = 0; i < given; ++i) TF_DeleteTensor(texts[i]);
  free(places);
  free(texts);
  free(fetches);
  free(found);
}

int main(void) {
  TF_Status* status = TF_NewStatus();
  _ZN10tensorflow21DisableXlaCompilationEv();
  for (uint32_t libraries = read_number(); libraries; --libraries) {
    char* path = read_string(NULL);
    TF_LoadLibrary(path, status);
    if (TF_GetCode(status) != TF_OK) give_up(TF_Message(status));
    free(path);
  }
  TF_Buffer* operations = TF_GetAllOpList();
  write_string(operations->data, operations->length);
  TF_DeleteBuffer(operations);
  TF_Buffer* kernels = TF_GetAllRegisteredKernels(status);
  if (TF_GetCode(status) != TF_OK) give_up(TF_Message(status));
  write_string(kernels->data, kernels->length);
  TF_DeleteBuffer(kernels);

  char* directory = read_string(NULL);
  uint32_t runs = read_number();
  const char* tags[] = {"serve"};
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Graph* graph = TF_NewGraph();
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, NULL, directory, tags, 1, graph, NULL, status);
  write_status(status);
  for (uint32_t i = 0; i < runs; ++i) run(session, graph, status);

  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteGraph(graph);
  TF_DeleteSessionOptions(options);
  TF_DeleteStatus(status);
  free(directory);
  return fflush(stdout) ? 2 : 0;
}
