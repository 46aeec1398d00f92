"""One call of SageMaker by boto3: `call.py ENDPOINT REGION METHOD MEMBERS`, the members in JSON. Prints the answer in JSON."""

import json
import sys

import boto3

endpoint, region, method, members = sys.argv[1:]
client = boto3.client("sagemaker", endpoint_url=endpoint, region_name=region)
answer = getattr(client, method)(**json.loads(members))
answer.pop("ResponseMetadata", None)
print(json.dumps(answer, default=str))
