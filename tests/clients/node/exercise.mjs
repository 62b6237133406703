// The official JavaScript client, one scenario a call: node exercise.mjs FOLDER SCENARIO NAMESPACE. The folder is where
// the client is installed; $KUBECONFIG names the cluster. Ends with 0 if the scenario came true.
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [folder, scenario, namespace] = process.argv.slice(2);
const k8s = await import(pathToFileURL(join(folder, 'node_modules/@kubernetes/client-node/dist/index.js')));
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);

const configMap = (name, data) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data });

async function runningPod(name, annotations) {
  const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'busybox' }] };
  await core.createNamespacedPod({ namespace, body: { metadata: { name, annotations }, spec } });
  await eventually(async () => (await core.readNamespacedPod({ name, namespace })).status.phase === 'Running');
}

async function eventually(ask) {
  for (let tries = 0; tries < 400; tries++) {
    const answer = await ask();
    if (answer) return answer;
    await pause(50);
  }
  assert.fail(`${ask} had no answer`);
}

function collected(stream) {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

const scenarios = {
  async objects() {
    const made = await core.createNamespacedConfigMap({ namespace, body: configMap('settings', { colour: 'blue' }) });
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    made.data.colour = 'red';
    const replaced = await core.replaceNamespacedConfigMap({ name: 'settings', namespace, body: made });
    assert.deepEqual(replaced.data, { colour: 'red' });
    await assert.rejects(
      core.replaceNamespacedConfigMap({ name: 'settings', namespace, body: made }),
      (error) => error instanceof k8s.ApiException && error.code === 409 && JSON.parse(error.body).reason === 'Conflict',
    );
    const patch = async (body, strategy) =>
      (await core.patchNamespacedConfigMap({ name: 'settings', namespace, body },
        k8s.setHeaderOptions('Content-Type', strategy))).data;
    assert.deepEqual(await patch([{ op: 'add', path: '/data/a', value: '1' }], k8s.PatchStrategy.JsonPatch),
      { colour: 'red', a: '1' });
    assert.deepEqual(await patch({ data: { colour: null } }, k8s.PatchStrategy.MergePatch), { a: '1' });
    assert.deepEqual(await patch({ data: { b: '2' } }, k8s.PatchStrategy.StrategicMergePatch), { a: '1', b: '2' });
    const page = await core.listNamespacedConfigMap({ namespace, limit: 1 });
    assert.equal(page.items.length, 1);
    assert.ok(page.metadata._continue);
    await core.deleteNamespacedConfigMap({ name: 'settings', namespace });
    await assert.rejects(core.readNamespacedConfigMap({ name: 'settings', namespace }), { code: 404 });
    const version = await config.makeApiClient(k8s.VersionApi).getCode();
    assert.equal(`${version.major}.${version.minor}`, '1.36');
  },

  async applies() {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    const apply = (manager, data, force) => objects.patch(
      configMap('owned', data), undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
    const applied = await apply('one', { colour: 'blue' });
    assert.deepEqual(applied.metadata.managedFields.map((m) => [m.manager, m.operation]), [['one', 'Apply']]);
    await assert.rejects(apply('two', { colour: 'red' }), { code: 409 });
    assert.deepEqual((await apply('two', { colour: 'red' }, true)).data, { colour: 'red' });
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace }, spec: { ports: [{ port: 80 }] } };
    assert.match((await objects.create(service)).spec.clusterIP, /^10\.96\./);
    assert.equal((await objects.list('v1', 'Service', namespace)).items.length, 1);
    await objects.delete(service);
  },

  async informs() {
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'seen=yes' });
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list, 'seen=yes');
    const told = [];
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (one) => told.push(`${verb} ${one.metadata.name}`));
    informer.on('error', (error) => told.push(`error ${error}`));
    const body = configMap('early');
    body.metadata.labels = { seen: 'yes' };
    await core.createNamespacedConfigMap({ namespace, body });
    await informer.start();
    body.metadata.name = 'late';
    await core.createNamespacedConfigMap({ namespace, body });
    await eventually(() => told.includes('add late'));
    await core.replaceNamespacedConfigMap({ name: 'late', namespace, body: { ...body, data: { a: 'b' } } });
    await eventually(() => told.includes('update late'));
    await core.deleteNamespacedConfigMap({ name: 'late', namespace });
    await eventually(() => told.includes('delete late'));
    assert.equal(informer.get('early', namespace).metadata.name, 'early');
    assert.equal(informer.list(namespace).length, 1);
    assert.deepEqual(told, ['add early', 'add late', 'update late', 'delete late']);
    await informer.stop();
  },

  async watches() {
    const told = [];
    const watching = await new k8s.Watch(config).watch(
      `/api/v1/namespaces/${namespace}/configmaps`, { fieldSelector: 'metadata.name=seen', allowWatchBookmarks: true },
      (kind, one) => told.push(kind), () => {});
    await core.createNamespacedConfigMap({ namespace, body: configMap('seen') });
    await core.deleteNamespacedConfigMap({ name: 'seen', namespace });
    await eventually(() => told.includes('DELETED'));
    assert.deepEqual(told.filter((kind) => kind !== 'BOOKMARK'), ['ADDED', 'DELETED']);
    watching.abort();
  },

  async executes() {
    await runningPod('shell');
    const exec = new k8s.Exec(config);
    const run = async (command, input) => {
      const [out, err] = [new PassThrough(), new PassThrough()];
      const [said, complained] = [collected(out), collected(err)];
      const stdin = input === undefined ? null : new PassThrough();
      const status = await new Promise((resolve, reject) => {
        exec.exec(namespace, 'shell', 'main', command, out, err, stdin, false, resolve).catch(reject);
        stdin?.end(input);
      });
      return { status: status.status, code: status.details?.causes?.[0]?.message, out: said(), err: complained() };
    };
    assert.deepEqual(await run(['echo', 'hello']), { status: 'Success', code: undefined, out: 'hello\n', err: '' });
    const failed = await run(['sh', '-c', 'exit 3']);
    assert.deepEqual([failed.status, failed.code], ['Failure', '3']);
    const line = 'word '.repeat(20000);
    assert.equal((await run(['cat'], line)).out, line);
  },

  async forwards() {
    await runningPod('web');
    const forward = new k8s.PortForward(config);
    const server = createServer((socket) => forward.portForward(namespace, 'web', [80], socket, null, socket));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect(server.address().port, '127.0.0.1');
    const said = collected(socket);
    socket.write('GET / HTTP/1.0\r\n\r\n');
    await eventually(() => said().includes('simulated pod web'));
    socket.destroy();
    server.close();
  },

  async logs() {
    await runningPod('teller', { 'pilothouse.io/simulate-log': 'one\ntwo' });
    const log = new k8s.Log(config);
    const read = async (options) => {
      const stream = new PassThrough();
      const said = collected(stream);
      await log.log(namespace, 'teller', 'main', stream, options);
      return said;
    };
    const following = await read({ follow: true });
    await eventually(() => following() === 'one\ntwo\n');
    const last = await read({ tailLines: 1 });
    await eventually(() => last() === 'two\n');
    assert.equal(await core.readNamespacedPodLog({ name: 'teller', namespace }), 'one\ntwo\n');
  },

  async rolls() {
    const labels = { app: 'web' };
    await apps.createNamespacedDeployment({ namespace, body: {
      metadata: { name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: labels }, template: {
        metadata: { labels }, spec: { containers: [{ name: 'main', image: 'busybox' }] } } },
    } });
    const ready = (count) => eventually(async () =>
      (await apps.readNamespacedDeployment({ name: 'web', namespace })).status.readyReplicas === count);
    await ready(2);
    const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
    scale.spec.replicas = 3;
    await apps.replaceNamespacedDeploymentScale({ name: 'web', namespace, body: scale });
    await ready(3);
    await apps.deleteNamespacedDeployment({ name: 'web', namespace, propagationPolicy: 'Foreground' });
    await eventually(async () => (await core.listNamespacedPod({ namespace, labelSelector: 'app=web' })).items.length === 0);
  },
};

await scenarios[scenario]();
process.exit(0);
