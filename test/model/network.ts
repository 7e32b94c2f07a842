/**
 * G2 and G3: the networks that a policy is for, and which of them count.
 */
import { networkNamed } from './attachment.ts'
import { annotationOf, type Cluster, type ModelOptions, nameOf, namespaceOf } from './cluster.ts'
import { asObject, asText, at, items, type JsonObject, oncePerObject, parseJson } from './json.ts'

/** `namespace/name` of each network in `policy-for` that counts. */
export function networksOf(cluster: Cluster, options: ModelOptions, policy: JsonObject): readonly string[] {
  return networksNamedBy(policy).filter((network) => counts(cluster, options, network))
}

/**
 * Reading: an item is malformed when it has more than one slash, an empty part, or a part that no Kubernetes
 * object can be called. Blanks are trimmed around an item, not within it: `ns / net` is malformed.
 */
export const networksNamedBy: (policy: JsonObject) => readonly string[] = oncePerObject((policy) => {
  const annotation = annotationOf(policy, 'k8s.v1.cni.cncf.io/policy-for') ?? ''
  return annotation.split(',').flatMap((item) => {
    const network = networkNamed(item.trim(), namespaceOf(policy))
    return network === undefined ? [] : [network]
  })
})

/** Only a type that can be read can say "this network is not ours". */
function counts(cluster: Cluster, options: ModelOptions, network: string): boolean {
  const definition = cluster.networkAttachmentDefinitions.find(
    (candidate) => `${namespaceOf(candidate)}/${nameOf(candidate)}` === network,
  )
  const type = definition === undefined ? undefined : typeOf(definition)
  return type === undefined || options.networkPlugins.includes(type)
}

/**
 * Reading: `type` wins over `plugins`; only the first plugin is looked at; an empty type, or one that is not
 * text, is no type; a configuration that is not text (YAML instead of JSON in it) cannot be read.
 */
const typeOf: (definition: JsonObject) => string | undefined = oncePerObject((definition) => {
  const config = asObject(parseJson(asText(at(definition, 'spec', 'config')) ?? ''))
  const [first] = items(at(config, 'plugins'))
  return [at(config, 'type'), at(first, 'type')].map(asText).find((type) => type !== undefined && type !== '')
})
