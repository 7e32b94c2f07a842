/**
 * Where faults are tried: a control plane, and for each test a node with one pod and one policy that governs it, a
 * daemon for that node, and a proxy between that daemon and the API server. So tests can run side by side, and none
 * meets another's back-off.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { DaemonProcess } from '../../daemon.ts'
import { Lab } from '../../lab/lab.ts'
import { type KubeObject, networkObject, podObject } from '../../manifests.ts'
import { type ControlPlane, startControlPlane } from '../control-plane.ts'
import { FaultProxy } from './fault-proxy.ts'
import { Trial } from './trial.ts'

/** One a kind, and two for pods: this node's, and those of other nodes. */
export const WATCHES = 5

const DEPLOY = join(import.meta.dirname, '../../../deploy')

export interface TrialOptions {
  /** What to start the daemon with, as {@link DaemonProcess.start} takes it. */
  readonly command?: readonly string[]
  /** Without the time machine, which takes memory. */
  readonly bare?: boolean
  /** Called before the daemon's first request. */
  readonly prepare?: (proxy: FaultProxy) => void
  /** Replaces the kubeconfig's user. */
  readonly user?: (user: { readonly token: string }) => object | Promise<object>
}

export class Ground implements AsyncDisposable {
  readonly cp: ControlPlane
  readonly #lab: Lab
  /** Of the daemon's ServiceAccount, as YAML. */
  readonly #kubeconfig: string
  #trials = 0

  private constructor(cp: ControlPlane, lab: Lab, kubeconfig: string) {
    this.cp = cp
    this.#lab = lab
    this.#kubeconfig = kubeconfig
  }

  static async create(): Promise<Ground> {
    await using cleanup = new AsyncDisposableStack()
    const [cp, lab] = await Promise.all([startControlPlane(), Lab.create('faults')])
    cleanup.use(cp)
    cleanup.use(lab)
    await lab.segment('red')
    for (const file of ['crds.yaml', 'rbac.yaml']) await cp.apply(await readFile(join(DEPLOY, file), 'utf8'))
    const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
    const ground = new Ground(cp, lab, await readFile(kubeconfig, 'utf8'))
    await cp.createNamespace('shop')
    await ground.apply(networkObject('shop', 'red'))
    cleanup.move()
    return ground
  }

  /** @returns once the daemon has synced, enforces the policy and watches every kind */
  async trial(options: TrialOptions = {}): Promise<Trial> {
    await using cleanup = new AsyncDisposableStack()
    const trial = cleanup.use(await this.start(options))
    await trial.daemon.ready(60_000)
    await trial.enforces(trial.port)
    await trial.until('all is watched', async () => trial.proxy.watched.length === WATCHES)
    cleanup.move()
    return trial
  }

  /** The same, without waiting for anything. */
  async start(options: TrialOptions = {}): Promise<Trial> {
    await using cleanup = new AsyncDisposableStack()
    const name = `node-${++this.#trials}`
    const proxy = cleanup.use(await this.#proxy())
    options.prepare?.(proxy)
    const addresses = [`10.1.0.${this.#trials}/24`, `fd00:1::${this.#trials}/64`]
    const pod = await this.#lab.pod(name, [{ segment: 'red', interface: 'net1', addresses }])
    const object = podObject(pod, { namespace: 'shop', labels: { app: name }, node: name })
    await this.cp.api('POST', '/api/v1/namespaces/shop/pods', object)
    const timeFile = join(this.cp.directory, `${name}.time`)
    const kubeconfig = await this.#writeKubeconfig(name, proxy.url, options)
    const own = [`--hostname-override=${name}`, '--netns-annotation', '--log-level=debug']
    const flags = [`--kubeconfig=${kubeconfig}`, ...own]
    const timeMachine = `--import=${join(import.meta.dirname, 'time-machine.ts')}`
    const env = options.bare ? {} : { NODE_OPTIONS: timeMachine, TIME_MACHINE: timeFile }
    const daemon = cleanup.use(await DaemonProcess.start(flags, env, options.command))
    const trial = new Trial({ ground: this, proxy, daemon, flags, pod, timeFile })
    await trial.allow()
    cleanup.move()
    return trial
  }

  async apply(...objects: readonly KubeObject[]): Promise<void> {
    await this.cp.apply(objects.map((each) => JSON.stringify(each)).join('\n---\n'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]()
    await this.cp[Symbol.asyncDispose]()
  }

  async #proxy(): Promise<FaultProxy> {
    const { directory, url } = this.cp
    const read = (file: string): Promise<string> => readFile(join(directory, file), 'utf8')
    return await FaultProxy.start(url, {
      cert: await read('apiserver.crt'),
      key: await read('apiserver.key'),
    })
  }

  async #writeKubeconfig(name: string, url: string, { user }: TrialOptions): Promise<string> {
    const config = parse(this.#kubeconfig) as {
      clusters: { cluster: { server: string } }[]
      users: { user: { token: string } | object }[]
    }
    for (const { cluster } of config.clusters) cluster.server = url
    for (const each of config.users) each.user = (await user?.(each.user as { token: string })) ?? each.user
    const path = join(this.cp.directory, `${name}.kubeconfig`)
    await writeFile(path, stringify(config), { mode: 0o600 })
    return path
  }
}
