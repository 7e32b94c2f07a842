/** A named network namespace with an interface `net1`, and what a pod in it looks like: for tests of the target alone. */
import { execa } from 'execa'
import { NETNS_DIR } from './names.ts'

export class OneNetns {
  readonly name: string
  readonly path: string

  constructor(name: string) {
    this.name = name
    this.path = `${NETNS_DIR}/${name}`
  }

  async make(): Promise<void> {
    await execa('ip', ['netns', 'add', this.name])
    await this.addLinks()
  }

  async addLinks(): Promise<void> {
    await execa('ip', ['-n', this.name, 'link', 'add', 'net1', 'type', 'veth', 'peer', 'name', 'other'])
  }

  async remove(): Promise<void> {
    await execa('ip', ['netns', 'delete', this.name])
  }

  async inside(command: readonly string[], input?: string): Promise<string> {
    const options = input === undefined ? {} : { input }
    return (await execa('ip', ['netns', 'exec', this.name, ...command], options)).stdout
  }

  /** On network `x/red` by `net1`, and of namespace `x`. */
  pod(name: string): object {
    const status = JSON.stringify([{ name: 'x/red', interface: 'net1' }])
    const annotations = {
      'k8s.v1.cni.cncf.io/network-status': status,
      'multi-networkpolicyd/netns': this.path,
    }
    return { kind: 'Pod', metadata: { name, namespace: 'x', annotations }, spec: { containers: [] } }
  }
}
