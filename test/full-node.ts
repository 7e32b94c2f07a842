/** A node as full as Kubernetes lets one be: 110 pods with 10 policies each, for the tests of limits and the benchmark. */
import type { Lab } from './lab/lab.ts'
import type { Pod } from './lab/pod.ts'
import { type KubeObject, policyObject } from './manifests.ts'

export const LOCAL_PODS = 110

/** `p0` to `p109` on segment `red`, with addresses of 10.1.0.0/16. */
export async function manyPods(lab: Lab): Promise<readonly Pod[]> {
  await lab.segment('red')
  return lab.addPods(
    Array.from({ length: LOCAL_PODS }, (_, index) => ({
      name: `p${index}`,
      attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${index + 1}/16`] }],
    })),
  )
}

/** On every pod of namespace `default`: all is denied, and the nine others allow something. */
export function tenPolicies(): readonly KubeObject[] {
  return [policyObject('default', 'deny', 'red', { podSelector: {} }), ...ninePolicies()]
}

export function ninePolicies(): readonly KubeObject[] {
  return Array.from({ length: 9 }, (_, index) => allowing(index, [`t${index}`]))
}

/** From pods of those tiers, and from a block of the policy's own, to port 8000 and on. */
export function allowing(index: number, tiers: readonly string[]): KubeObject {
  return policyObject('default', `other-${index}`, 'red', {
    podSelector: {},
    ingress: [
      {
        from: [
          ...tiers.map((tier) => ({ podSelector: { matchLabels: { tier } } })),
          { ipBlock: { cidr: `10.9${index}.0.0/16`, except: [`10.9${index}.1.0/24`] } },
        ],
        ports: [{ port: 8000 + index }],
      },
    ],
  })
}
