/**
 * The rows of a northbound database change by change: an event costs what it affects, and a row that it does not affect
 * stays the same object. They are those that `compileOvn` makes of the same state from scratch.
 *
 * Policies are followed by an `IncrementalCompiler` of its own, over the cluster as OVN has it (`view.ts`), which makes no
 * rulesets: a policy is printed once for all its ports, and only when the ports or its rules are others.
 */
import type { ClusterChange } from '../cluster.ts'
import { NO_CUSTOM_RULES } from '../custom/rules.ts'
import { IncrementalCompiler } from '../incremental/compiler.ts'
import type { LocalPod } from '../incremental/local-pod.ts'
import type { PolicyRecord } from '../incremental/policy-record.ts'
import { takesPart } from '../members.ts'
import { type ClusterObject, type Issue, type NamespacedName, nameOf, type Pod } from '../model.ts'
import type { OvnCompilation, OvnCompileOptions } from './compile.ts'
import { isOfOvn, standsAside } from './issues.ts'
import { MissingPorts } from './missing-ports.ts'
import { PolicyPorts } from './policy-ports.ts'
import { PortIndex } from './port-index.ts'
import { OVN_CNI_TYPE, type OvnPort, type PortsByPod, type PortsOfPod } from './ports.ts'
import { RowStore } from './row-store.ts'
import { podInOvn } from './view.ts'

export class OvnCompiler {
  readonly #track: boolean
  readonly #ports = new PortIndex()
  readonly #governance: IncrementalCompiler
  readonly #missing: MissingPorts
  readonly #policyPorts = new PolicyPorts(this.#ports)
  readonly #store: RowStore
  /** Those that govern others than before, or whose rules come to something else. */
  readonly #due = new Set<PolicyRecord>()
  #left: ReadonlySet<string> = new Set()

  constructor({ node, networkPlugins, exemptions, track }: Omit<OvnCompileOptions, 'leftToOvnKubernetes'>) {
    this.#track = track
    this.#governance = new IncrementalCompiler(
      {
        ...{ node: undefined, exemptions, logDrops: false },
        networkPlugins: new Set([...networkPlugins, OVN_CNI_TYPE]),
      },
      {
        ignores: (attachment) => attachment.interface === undefined,
        governs: (record, local) => this.#noteGoverned(record, local),
        rules: (record) => this.#due.add(record),
      },
    )
    this.#missing = new MissingPorts(this.#governance.cluster, this.#ports, node)
    this.#store = new RowStore(exemptions)
  }

  /** As they are now, whatever was compiled. */
  get ports(): PortsByPod {
    return this.#ports.byPod
  }

  /** Grows whenever a pod has ports on other networks than before. */
  get moves(): number {
    return this.#ports.moves
  }

  /** Takes note of a change of the cluster; nothing is compiled yet. */
  apply(change: ClusterChange): void {
    switch (change.kind) {
      case 'replaced':
        if (change.of === 'Pod')
          this.#replacePods(change.objects.flatMap((each) => (each.kind === 'Pod' ? [each] : [])))
        else this.#governance.apply({ ...change, objects: change.objects.map(unremarkable) })
        return
      case 'changed':
        if (change.object.kind === 'Pod') this.#ports.setPod(nameOf(change.object), change.object)
        else this.#governance.apply({ ...change, object: unremarkable(change.object) })
        return
      case 'deleted':
        if (change.of === 'Pod') this.#ports.setPod(change.key as NamespacedName, undefined)
        else this.#governance.apply(change)
        return
      default:
        change satisfies never
    }
  }

  /** @param id the UUID of the row */
  setPort(id: string, port: OvnPort | undefined): void {
    this.#ports.setPort(id, port)
  }

  /** States all ports that there are, by their UUIDs. */
  replacePorts(ports: ReadonlyMap<string, OvnPort>): void {
    for (const id of [...this.#ports.ports.keys()]) if (!ports.has(id)) this.setPort(id, undefined)
    for (const [id, port] of ports) this.setPort(id, port)
  }

  /**
   * @param left see `OvnCompileOptions.leftToOvnKubernetes`
   * @returns maps that the next call changes in place
   */
  compile(left: ReadonlySet<string>): Pick<OvnCompilation, 'rows' | 'issues'> {
    const isLeftAnew = left.symmetricDifference(this.#left).size > 0
    this.#left = left
    const { changed, renumbered } = this.#ports.takeChanged()
    const others = isLeftAnew ? [...this.#ports.byPod.keys()] : []
    for (const name of new Set([...changed, ...others])) this.#view(name)
    const { issues } = this.#governance.compile({ custom: NO_CUSTOM_RULES })
    for (const name of new Set([...renumbered, ...others])) this.#notePorts(name)
    this.#print()
    const missing = this.#missing.refresh(changed, this.#governance.taken)
    const aside = left.size === 0 ? [] : standsAside(this.#ports.byPod, left)
    return { rows: this.#store.rows, issues: [...issues.filter(isOfOvn), ...missing, ...aside] }
  }

  #replacePods(pods: readonly Pod[]): void {
    const names = new Set(pods.map(nameOf))
    for (const name of [...this.#ports.pods.keys()]) if (!names.has(name)) this.#ports.setPod(name, undefined)
    for (const pod of pods) this.#ports.setPod(nameOf(pod), pod)
  }

  #isOurs = ({ ovnNetwork }: OvnPort): boolean => !this.#left.has(ovnNetwork)

  /** Tells the policies' side the pod as OVN has it. */
  #view(name: NamespacedName): void {
    const pod = this.#ports.pods.get(name)
    this.#governance.apply(
      pod === undefined || !takesPart(pod)
        ? { kind: 'deleted', of: 'Pod', key: name }
        : { kind: 'changed', object: podInOvn(pod, this.#portsOf(name), this.#isOurs) },
    )
  }

  /** Of a pod whose ports may be others, though nothing else of it is. */
  #notePorts(name: NamespacedName): void {
    const local = this.#governance.local(name)
    for (const { by } of local?.governed.governing ?? []) if (local) this.#noteGoverned(by, local)
    if (!this.#track) return
    const ours = [...this.#portsOf(name).values()].flat().filter(this.#isOurs)
    this.#store.track(
      name,
      ours.map(({ id }) => id),
    )
  }

  #noteGoverned(record: PolicyRecord, local: LocalPod): void {
    this.#policyPorts.forget(record, local)
    this.#due.add(record)
  }

  #portsOf(name: NamespacedName): PortsOfPod {
    return this.#ports.byPod.get(name) ?? new Map()
  }

  /** Policies of the same name come one after the other: the one that is gone makes way. */
  #print(): void {
    for (const record of this.#due) if (record.governs.size === 0) this.#store.remove(record)
    for (const record of this.#due)
      if (record.governs.size > 0) this.#store.put(record, this.#policyPorts.of(record))
    this.#due.clear()
  }
}

/** What is wrong with the objects themselves is said by others. */
function unremarkable<O extends ClusterObject>(object: O): O {
  return { ...object, issues: [] as readonly Issue[] }
}
