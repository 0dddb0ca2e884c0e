import type {JsonSchema} from '../../schema/validate.ts';
import {logUrlLinkSchema, workforceSchema} from '../ewms/schema.ts';
import {k8sJobSchema} from '../k8s-job/schema.ts';
import {eventMetadataSchema, i3EventSchema, manifestSchema, progressSchema, projectedManifestSchema} from '../manifest/schema.ts';
import {projectionSchema} from '../projection.ts';
import {resultSchema} from '../result/schema.ts';
import {
  backlogEntrySchema,
  dataSizeSchema,
  environmentSchema,
  manifestAndResultAnswer,
  realOrSimulatedSchema,
  requestClustersSchema,
  scanRequestSchema,
} from '../scans/schema.ts';
import {errorSchema, freeFormObject} from './common.ts';

/**
 * The schemas that have a name of their own, those of SkyDriver's glossary first. Wherever one of these objects stands in a request or an answer, the
 * document refers to it by its name.
 */
export const NAMED_SCHEMAS = {
  Error: errorSchema,
  FreeFormObject: freeFormObject,
  RealOrSimulatedEvent: realOrSimulatedSchema,
  LogUrlLink: logUrlLinkSchema,
  DataSize: dataSizeSchema,
  ManifestProjection: projectionSchema,
  RequestClusters: requestClustersSchema,
  ScannerServerEnvFromUser: environmentSchema,
  Manifest: manifestSchema,
  Progress: progressSchema,
  Result: resultSchema,
  ScanBacklogEntry: backlogEntrySchema,
  ScanRequestObj: scanRequestSchema,
  SkyscanK8sJob: k8sJobSchema,
  I3Event: i3EventSchema,
  ManifestAndResultResponse: manifestAndResultAnswer,
  EventMetadata: eventMetadataSchema,
  ProjectedManifest: projectedManifestSchema,
  Workforce: workforceSchema,
} as const satisfies Readonly<Record<string, JsonSchema>>;
