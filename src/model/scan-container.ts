import type {JobResources} from '../schema/job-resources.ts';
import type {SkymapRequest} from '../schema/scan.ts';

/** What the scanner's jobs run in where jobs run in containers. */
export interface ScanContainer {
  readonly image?: string;
  readonly resources: JobResources;
}

/**
 * The image and the memory of a sky scan's server or of each of its workers. In the cluster's image `${docker_tag}` stands for the release that was asked
 * for. As in SkyDriver's jobs, what may be used of memory is what is reserved.
 */
export function scanContainer(request: SkymapRequest, image: string | undefined, isServer: boolean): ScanContainer {
  const memory = String(isServer ? request.scanner_server_memory_bytes : request.worker_memory_bytes);
  return {
    ...(image === undefined ? {} : {image: image.replaceAll('${docker_tag}', () => request.docker_tag)}),
    resources: {limits: {memory}, requests: {memory}},
  };
}
