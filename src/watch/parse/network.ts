/** NetworkAttachmentDefinitions at the edge: all that matters of one is its CNI type. */
import type { Network } from '../../compile/model.ts'
import { isUnreadable, parseMetadata, type Unreadable } from './metadata.ts'
import { isObject, own, type Report, shorten } from './report.ts'

export function parseNetwork(raw: unknown): Network | Unreadable {
  const metadata = parseMetadata('NetworkAttachmentDefinition', raw)
  if (isUnreadable(metadata)) return metadata
  const { namespace, name, report } = metadata
  const spec = isObject(raw) ? own(raw, 'spec') : undefined
  const config = isObject(spec) ? own(spec, 'config') : undefined
  return {
    kind: 'NetworkAttachmentDefinition',
    namespace,
    name,
    cniType: parseCniType(report, config),
    issues: report.issues,
  }
}

/** The `type` of a CNI configuration, or of the first plugin of a configuration list (CNI spec 1.0, section 1). */
function parseCniType(report: Report, config: unknown): string | undefined {
  const consequence = 'attachments to the network are governed all the same'
  if (typeof config !== 'string')
    return report.add('spec.config', config, `expected CNI configuration as JSON text; ${consequence}`)
  let parsed: unknown
  try {
    parsed = JSON.parse(config)
  } catch (error) {
    return report.add(
      'spec.config',
      config,
      `${shorten(error instanceof Error ? error.message : error)}; ${consequence}`,
    )
  }
  const plugins = isObject(parsed) ? own(parsed, 'plugins') : undefined
  const holder =
    isObject(parsed) && own(parsed, 'type') === undefined && Array.isArray(plugins) ? plugins[0] : parsed
  const type = isObject(holder) ? own(holder, 'type') : undefined
  if (typeof type === 'string' && type !== '') return type
  return report.add(
    'spec.config',
    config,
    `neither type nor plugins[0].type names a CNI plugin; ${consequence}`,
  )
}
