// Put before the script of a worker: times each dispatch of its compute passes, where the adapter can. Each gets a pass of its
// own, so that the whole takes longer than without; `self.dispatches` has milliseconds and counts by the kernels' labels.
(() => {
  const times = (self.dispatches = new Map());
  let device = null;

  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (wanted = {}) {
    const features = new Set(wanted.requiredFeatures ?? []);
    if (this.features.has("timestamp-query")) features.add("timestamp-query");
    device = await requestDevice.call(this, { ...wanted, requiredFeatures: [...features] });
    return device;
  };

  const labels = new WeakMap();
  for (const name of ["createComputePipeline", "createComputePipelineAsync"]) {
    const create = GPUDevice.prototype[name];
    GPUDevice.prototype[name] = function (wanted) {
      const label = (pipeline) => {
        labels.set(pipeline, wanted.label || wanted.compute.module.label || "without a label");
        return pipeline;
      };
      const made = create.call(this, wanted);
      return made instanceof Promise ? made.then(label) : label(made);
    };
  }

  const timed = new WeakMap();
  const beginComputePass = GPUCommandEncoder.prototype.beginComputePass;
  GPUCommandEncoder.prototype.beginComputePass = function (wanted) {
    if (!device?.features.has("timestamp-query")) return beginComputePass.call(this, wanted);
    let pipeline = null;
    const groups = new Map();
    if (!timed.has(this)) timed.set(this, []);
    const inPass = (method) => (...given) => {
      const querySet = device.createQuerySet({ type: "timestamp", count: 2 });
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
      const pass = beginComputePass.call(this, { timestampWrites });
      pass.setPipeline(pipeline);
      for (const [index, group] of groups) pass.setBindGroup(index, ...group);
      pass[method](...given);
      pass.end();
      timed.get(this).push({ querySet, label: labels.get(pipeline) });
    };
    return {
      setPipeline: (chosen) => (pipeline = chosen),
      setBindGroup: (index, ...group) => groups.set(index, group),
      dispatchWorkgroups: inPass("dispatchWorkgroups"),
      dispatchWorkgroupsIndirect: inPass("dispatchWorkgroupsIndirect"),
      end: () => {},
    };
  };

  /** Where a command buffer's timestamps are copied to. */
  const readings = new WeakMap();
  const SPACING = 256;
  const finish = GPUCommandEncoder.prototype.finish;
  GPUCommandEncoder.prototype.finish = function (wanted) {
    const passes = timed.get(this) ?? [];
    if (passes.length === 0) return finish.call(this, wanted);
    const size = SPACING * passes.length;
    const resolved = device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const read = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    passes.forEach(({ querySet }, at) => this.resolveQuerySet(querySet, 0, 2, resolved, at * SPACING));
    this.copyBufferToBuffer(resolved, 0, read, 0, size);
    const commands = finish.call(this, wanted);
    readings.set(commands, { read, passes });
    return commands;
  };

  const submit = GPUQueue.prototype.submit;
  GPUQueue.prototype.submit = function (commands) {
    const all = [...commands];
    submit.call(this, all);
    for (const { read, passes } of all.map((commands) => readings.get(commands)).filter(Boolean)) {
      read.mapAsync(GPUMapMode.READ).then(() => {
        const stamps = new BigUint64Array(read.getMappedRange());
        passes.forEach(({ label }, at) => {
          const first = (at * SPACING) / stamps.BYTES_PER_ELEMENT;
          const seen = times.get(label) ?? { ms: 0, count: 0 };
          seen.ms += Number(stamps[first + 1] - stamps[first]) / 1e6;
          seen.count += 1;
          times.set(label, seen);
        });
        read.destroy();
      });
    }
  };
})();
