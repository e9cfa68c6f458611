// The health check of the services image. The API answers for itself; a worker without it is healthy while it runs.
const port = process.env['LANDFALL_API_PORT'] ?? '8080';
const hostsApi = (process.env['LANDFALL_API_HOST'] ?? '') !== '';
if (hostsApi) {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  if (!response.ok) throw new Error(`the API answered ${response.status}`);
}
