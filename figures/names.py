"""How datasets and models are called where people read them."""

DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "tiny-imagenet": "Tiny-ImageNet",
    "imagenet": "ImageNet",
    "newsgroups": "20 Newsgroups",
    "newsgroups-bydate": "20 Newsgroups (by date)",
    "digits": "Digits (8x8, noisy)",
    "topics": "Topics (synthetic texts)",
}
MODELS = {
    "resnet50": "ResNet-50",
    "resnet110": "ResNet-110",
    "wrn26-10": "Wide-ResNet-26-10",
    "densenet121": "DenseNet-121",
    "cnn": "CNN",
    "bert": "BERT",
    "resnet8": "ResNet-8",
    "wrn10-2": "Wide-ResNet-10-2",
    "bert-mini": "BERT-mini",
}
