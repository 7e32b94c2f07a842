/**
 * One copy of what many pods have in common: the labels of a ReplicaSet's pods, names of namespaces and networks. A
 * value that was seen before is taken in place of an equal one. It only ever grows, so whoever holds one makes another
 * with each list.
 */
import type { ContainerPort } from '../../compile/model.ts'
import type { Labels } from '../../compile/selector.ts'

export class SharedValues {
  readonly #texts = new Map<string, string>()
  readonly #labels = new Map<string, Labels>()
  readonly #ports = new Map<string, readonly ContainerPort[]>()

  text<T extends string>(text: T): T {
    return once(this.#texts, text, text) as T
  }

  labels(labels: Labels): Labels {
    return once(this.#labels, JSON.stringify([...labels]), labels)
  }

  ports(ports: readonly ContainerPort[]): readonly ContainerPort[] {
    return once(this.#ports, JSON.stringify(ports), ports)
  }
}

function once<T>(known: Map<string, T>, key: string, value: T): T {
  const found = known.get(key)
  if (found !== undefined) return found
  known.set(key, value)
  return value
}
